from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import UsageError
from segpipe.records.palette import class_colors
from segpipe.store import masks
from tests.helpers.json_damage import damaged


def test_pillow_and_opencv_read_what_was_written(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(0, 27, (13, 17)).astype(np.uint8)
    path = tmp_path / "sub dir" / "bild ü.png"
    masks.write_mask(path, mask, classes=27)
    with Image.open(path) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), mask)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), class_colors(27)[mask])
        assert "transparency" not in picture.info
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), class_colors(27)[mask])
    np.testing.assert_array_equal(masks.read_mask(path), mask)
    assert [entry.name for entry in path.parent.iterdir()] == ["bild ü.png"]


def test_no_data_is_black_and_transparent(tmp_path: Path) -> None:
    mask = np.array([[0, 1], [255, 1]], np.uint8)
    masks.write_mask(tmp_path / "m.png", mask, classes=2)
    with Image.open(tmp_path / "m.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), mask)
        rgba = np.asarray(picture.convert("RGBA"))
    assert rgba[1, 0].tolist() == [0, 0, 0, 0]
    assert (rgba[mask != 255][:, 3] == 255).all()


@pytest.mark.parametrize(("classes", "dtype"), [(255, np.uint8), (256, np.uint16), (3000, np.uint16)])
def test_more_classes_than_a_palette_holds_become_16_bit(tmp_path: Path, classes: int, dtype: type) -> None:
    mask = np.arange(classes, dtype=np.uint16).reshape(1, -1).astype(dtype)
    mask = np.concatenate([mask, np.full_like(mask, np.iinfo(dtype).max)])
    masks.write_mask(tmp_path / "m.png", mask, classes=classes)
    found = masks.read_mask(tmp_path / "m.png")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, mask)
    raw = cv2.imread(str(tmp_path / "m.png"), cv2.IMREAD_UNCHANGED)
    assert classes == 255 or (raw == mask).all()
    entry = masks.describe_mask("m", found, classes=classes)
    assert entry["nodata"] == classes
    assert entry["pixels"] == {str(k): 1 for k in range(classes)}


def test_a_value_that_is_no_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="classes below 3 or 255"):
        masks.write_mask(tmp_path / "m.png", np.full((2, 2), 3, np.uint8), classes=3)
    with pytest.raises(ValueError, match=r"must be \(H, W\)"):
        masks.write_mask(tmp_path / "m.png", np.zeros((2, 2, 1), np.uint8), classes=3)
    assert not (tmp_path / "m.png").exists()


def test_counts_of_an_index(tmp_path: Path) -> None:
    first = np.array([[0, 0, 2], [255, 2, 2]], np.uint8)
    second = np.full((4, 1), 2, np.uint8)
    index = [masks.describe_mask(name, mask, classes=4) for name, mask in (("a/b", first), ("c", second))]
    assert index[0] == {
        "id": "a/b",
        "file": "a/b.png",
        "height": 2,
        "width": 3,
        "pixels": {"0": 2, "2": 3},
        "nodata": 1,
    }
    masks.save_index(tmp_path, index)
    pixels, images = masks.count_pixels(masks.load_index(tmp_path), classes=4)
    assert pixels.tolist() == [2, 0, 7, 0]
    assert images.tolist() == [1, 0, 2, 0]


def test_the_header_comes_back_and_bad_ones_are_named(tmp_path: Path) -> None:
    header = {"classes": 5, "nodata": 255, "side": 640, "sharpness": 2.0, "flip": False, "crf": None}
    masks.save_header(tmp_path, header)
    assert masks.load_header(tmp_path) == {"format": 1, **header}
    (tmp_path / "header.json").write_text('{"format": 9}')
    with pytest.raises(UsageError, match="format 9, expected 1"):
        masks.load_header(tmp_path)
    (tmp_path / "header.json").write_text("{")
    with pytest.raises(UsageError, match=r"header\.json is missing or damaged"):
        masks.load_header(tmp_path)
    with pytest.raises(UsageError, match=r"index\.jsonl is missing or damaged"):
        masks.load_index(tmp_path)


def test_what_is_no_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        masks.read_mask(tmp_path / "none.png")
    (tmp_path / "junk.png").write_bytes(b"not a picture")
    with pytest.raises(UsageError, match="cannot be read as a mask"):
        masks.read_mask(tmp_path / "junk.png")
    masks.write_mask(tmp_path / "cut.png", np.random.default_rng(0).integers(0, 9, (99, 99), np.uint8), classes=9)
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-900])
    with pytest.raises(UsageError, match="cannot be read as a mask"):
        masks.read_mask(tmp_path / "cut.png")
    Image.new("RGB", (3, 3)).save(tmp_path / "rgb.png")
    with pytest.raises(UsageError, match="is a RGB picture"):
        masks.read_mask(tmp_path / "rgb.png")
    with pytest.raises(UsageError, match="does not name a file inside"):
        masks.mask_path(tmp_path, "../x")


def test_the_longest_file_name_there_is(tmp_path: Path) -> None:
    path = masks.mask_path(tmp_path, "x" * 251)
    masks.write_mask(path, np.zeros((2, 2), np.uint8), classes=2)
    assert masks.read_mask(path).shape == (2, 2)


def test_lines_and_headers_of_other_types_are_told(tmp_path: Path) -> None:
    line = masks.describe_mask("a", np.array([[0, 1, 255]], np.uint8), classes=2)
    masks.save_index(tmp_path, [line])
    masks.save_header(tmp_path, {"classes": 2, "nodata": 255})
    told = list[str]()
    for name in ("index.jsonl", "header.json"):
        whole = (tmp_path / name).read_text("utf-8")
        for text in damaged(whole):
            (tmp_path / name).write_text(text, "utf-8")
            try:
                masks.count_pixels(masks.load_index(tmp_path), classes=2)
                assert type(masks.load_header(tmp_path)["classes"]) is int
            except UsageError as error:
                told.append(str(error).replace(str(tmp_path), ""))
        (tmp_path / name).write_text(whole, "utf-8")
    assert max(map(len, told)) <= 300
    assert not any("\n" in line for line in told)
    assert len(told) > 80
    assert masks.load_index(tmp_path) == [line]
