from pathlib import Path

import pytest

from segpipe.base.errors import SegpipeError, UsageError
from segpipe.commands.view.opened_run import NotHere, OpenedRun, signature
from tests.helpers.view_run import IMAGES, K


def test_what_was_opened_is_kept_until_its_file_changes(reef: Path) -> None:
    run = OpenedRun(reef)
    first = run.corpus
    assert run.corpus is first
    assert len(first.images) == IMAGES
    path = reef / "corpus" / "corpus.jsonl"
    before = run.artefacts
    path.touch()
    assert run.corpus is not first
    assert run.artefacts != before


def test_pixels_are_counted_as_the_index_says(finished: Path) -> None:
    run = OpenedRun(finished)
    total = sum(entry["pixels"].get("1", 0) for entry in run.mask_index.values())
    assert run.pixels.shape == (K,)
    assert run.pixels[1] == total
    assert run.cover is None


def test_what_is_not_there_is_told(finished: Path, tmp_path: Path) -> None:
    run = OpenedRun(finished)
    with pytest.raises(NotHere, match="no image 99"):
        run.image(99)
    with pytest.raises(NotHere, match="no image -1"):
        run.image(-1)
    with pytest.raises(UsageError, match="is not a run"):
        OpenedRun(tmp_path)
    assert signature(tmp_path, ("none",)) == (None,)


def test_a_damaged_file_is_one_line(reef: Path) -> None:
    run = OpenedRun(reef)
    (reef / "clusters" / "tree.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(SegpipeError) as told:
        _ = run.tree
    assert "tree.npz" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_mask_of_another_size_is_refused(reef: Path) -> None:
    run = OpenedRun(reef)
    image = run.corpus.images[0]
    dict.__setitem__(run.mask_index[image.id], "height", 7)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="does not have its size"):
        run.mask_entry(image)
