"""Which file is the mask of which frame."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Size
from segpipe.commands.propagate.key_frames import check_size, keys_of_masks, keys_of_run, masks_by_frame
from segpipe.images.numbered_frames import NumberedFrames, open_frames
from tests.helpers.films import write_film


@pytest.fixture
def film(tmp_path: Path) -> NumberedFrames:
    return open_frames(str(write_film(tmp_path / "film.avi", [9])), workers=1)


def mask(path: Path, value: int = 1, dtype: type = np.uint8) -> Path:
    path.parent.mkdir(exist_ok=True)
    pixels = np.zeros((48, 64), dtype)
    pixels[10:20, 10:20] = value
    Image.fromarray(pixels).save(path)
    return path


def test_a_single_mask_is_of_the_first_frame_unless_its_name_says_otherwise(
    tmp_path: Path, film: NumberedFrames
) -> None:
    for name, number in (("first.png", 2), ("cam1.png", 2), ("dive_000005.png", 5), ("00004.png", 4)):
        assert list(masks_by_frame(mask(tmp_path / name), film, start=2)) == [number]


def test_masks_of_a_folder_are_numbered_by_their_names(tmp_path: Path, film: NumberedFrames) -> None:
    for name in ("dive_12.png", "7.png"):
        mask(tmp_path / "keys" / name)
    assert list(masks_by_frame(tmp_path / "keys", film, start=0)) == [7, 12]
    keys = keys_of_masks(tmp_path / "keys", film, start=0, stop=None)
    assert (keys.numbers, keys.legend.names, keys.objects) == ([7], ("class 0", "class 1"), (1,))
    mask(tmp_path / "keys" / "007.png")
    with pytest.raises(UsageError, match="are both of frame 7"):
        masks_by_frame(tmp_path / "keys", film, start=0)


def test_masks_of_files_are_found_by_the_names_of_these(tmp_path: Path) -> None:
    for name in ("left9.png", "left10.png"):
        Image.fromarray(np.full((48, 64, 3), 9, np.uint8)).save(mask(tmp_path / "frames" / name))
    frames = open_frames(str(tmp_path / "frames"), workers=1)
    mask(tmp_path / "keys" / "left10.png")
    assert list(masks_by_frame(tmp_path / "keys", frames, start=0)) == [1]
    assert list(masks_by_frame(tmp_path / "keys" / "left10.png", frames, start=0)) == [1]


def test_what_is_no_key_frame_is_refused_by_name(tmp_path: Path, film: NumberedFrames) -> None:
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        masks_by_frame(tmp_path / "none", film, start=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no PNG"):
        masks_by_frame(tmp_path / "empty", film, start=0)
    mask(tmp_path / "named" / "first.png")
    with pytest.raises(UsageError, match="does not end in the number"):
        masks_by_frame(tmp_path / "named", film, start=0)
    mask(tmp_path / "late" / "20.png")
    with pytest.raises(UsageError, match="is of frame 20; frames go from 0 to 8"):
        keys_of_masks(tmp_path / "late", film, start=0, stop=None)
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "rgb.png")
    with pytest.raises(UsageError, match="RGB picture, not a mask"):
        keys_of_masks(tmp_path / "rgb.png", film, start=0, stop=None)
    with pytest.raises(UsageError, match="below 1024"):
        keys_of_masks(mask(tmp_path / "deep.png", 3000, np.uint16), film, start=0, stop=None)
    with pytest.raises(UsageError, match="the mask of frame 3 has 64 x 48 pixels, the frame 65 x 48"):
        check_size(np.zeros((48, 64), np.uint8), Size(48, 65), 3)


def test_pixels_without_a_class_stay_so_beyond_255_classes(tmp_path: Path, film: NumberedFrames) -> None:
    mask(tmp_path / "keys" / "0.png", 300, np.uint16)
    path = mask(tmp_path / "keys" / "4.png", 255)
    keys = keys_of_masks(tmp_path / "keys", film, start=0, stop=None)
    assert keys.legend.classes == 301
    assert np.unique(keys.read[4]()).tolist() == [0, 65535]
    before = keys.state
    mask(path, 3)
    assert keys_of_masks(tmp_path / "keys", film, start=0, stop=None).state != before


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        keys_of_run(tmp_path, None, start=0, stop=None)
