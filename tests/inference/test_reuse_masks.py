"""Finished masks are a start where they differ by splits alone."""

from pathlib import Path

import numpy as np

from segpipe.inference.reuse_masks import find_reusable, save_made
from segpipe.records.clusters import Split
from segpipe.store import masks

FIRST = Split(0, 3, np.eye(2, 4, dtype=np.float32), np.array([0, 1]))
SECOND = Split(1, 4, np.eye(2, 4, dtype=np.float32), np.array([0, 1]))


def finished(folder: Path, *splits: Split) -> Path:
    masks.save_header(folder, {"classes": 3 + len(splits), "nodata": 255})
    save_made(folder, "origin", splits)
    return folder


def test_masks_of_the_same_origin_are_reused_for_the_splits_they_lack(tmp_path: Path) -> None:
    found = find_reusable(finished(tmp_path, FIRST), "origin", (FIRST, SECOND))
    assert found is not None
    assert (found.classes, found.undone, [split.cluster for split in found.left]) == (4, (), [1])


def test_other_masks_and_the_very_same_are_made_anew(tmp_path: Path) -> None:
    assert find_reusable(tmp_path, "origin", ()) is None
    finished(tmp_path, FIRST)
    assert find_reusable(tmp_path, "another", (FIRST, SECOND)) is None
    assert find_reusable(tmp_path, "origin", (FIRST,)) is None


def test_a_split_that_is_no_longer_wanted_is_undone_in_the_mask(tmp_path: Path) -> None:
    found = find_reusable(finished(tmp_path, FIRST, SECOND), "origin", ())
    assert found is not None
    path = tmp_path / "a.png"
    masks.write_mask(path, np.array([[0, 1, 2], [3, 4, 255]], np.uint8), classes=5)
    np.testing.assert_array_equal(found.read(path, 3), [[0, 1, 2], [0, 1, 255]])
    np.testing.assert_array_equal(found.read(path, 300), [[0, 1, 2], [0, 1, 65535]])
