"""J and F of the frames that have labels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import UsageError
from segpipe.commands.propagate.carry_state import FrameRow
from segpipe.commands.propagate.truth_scores import score_film, truth_files
from segpipe.commands.propagate.writers import FrameFiles
from segpipe.images.numbered_frames import open_frames
from segpipe.ops.propagation.soft_maps import Deciding
from segpipe.records.legend import plain_legend
from segpipe.store.masks import write_mask
from tests.helpers.films import write_film


def square(left: int, value: int = 1) -> np.ndarray:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, left : left + 20] = value
    return mask


def test_key_frames_and_the_last_one_do_not_count(tmp_path: Path) -> None:
    target = FrameFiles(tmp_path, plain_legend(3), Deciding(8), 6, objects=(1, 2))
    rows, truths = {}, {}
    for number in range(5):
        write_mask(target.mask_path(number), square(20 if number else 40), classes=3)
        rows[number] = FrameRow(number, None, 1.0, key=number == 0, size=(40, 60), pixels={}, overlap={})
        truths[number] = tmp_path / f"{number}.png"
        Image.fromarray(square(10 if number == 2 else 20)).save(truths[number])
    del truths[3]
    found = score_film(truths, rows, target, (1, 2))
    assert found is not None
    assert found.frames == 2
    assert found.classes.keys() == {0, 1}
    assert found.classes[1].j == pytest.approx((1 + 200 / 600) / 2)
    assert found.whole == found.classes[1]
    assert score_film({0: truths[0], 4: truths[4]}, rows, target, (1, 2)) is None
    Image.fromarray(square(20)[:30]).save(truths[1])
    with pytest.raises(UsageError, match="60 x 30 pixels, its frame 60 x 40"):
        score_film(truths, rows, target, (1, 2))


def test_labels_are_found_by_number(tmp_path: Path) -> None:
    film = open_frames(str(write_film(tmp_path / "a.avi", [3])), workers=1)
    with pytest.raises(UsageError, match="is no folder"):
        truth_files(tmp_path / "none", film, start=0)
    (tmp_path / "truth").mkdir()
    Image.fromarray(square(3)).save(tmp_path / "truth" / "a_2.png")
    assert truth_files(tmp_path / "truth", film, start=0) == {2: tmp_path / "truth" / "a_2.png"}
