"""Labels of published sets, against plain loops over tables written down by other means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as Pillow
from scipy.io import savemat

from segpipe.base.errors import UsageError
from segpipe.labels.encodings import CODINGS, by_bits, read_coded

# names of CocoStuff's labels file, one less than their line there, with the class that the set's hierarchy gives them
COCO = {
    **{0: "person", 1: "vehicle", 8: "vehicle", 9: "outdoor", 14: "outdoor", 15: "animal", 24: "animal"},
    **{25: "accessory", 32: "accessory", 33: "sports", 42: "sports", 43: "kitchen", 50: "kitchen", 51: "food"},
    **{60: "food", 61: "furniture", 70: "furniture", 71: "electronic", 76: "electronic", 77: "appliance"},
    **{82: "appliance", 83: "indoor", 90: "indoor", 95: "building", 100: "floor", 101: "ceiling", 105: "sky"},
    **{
        114: "floor",
        118: "plant",
        119: "water",
        120: "food-stuff",
        123: "plant",
        127: "building",
        129: "furniture-stuff",
    },
    **{147: "water", 148: "ground", 153: "ground", 154: "water", 156: "sky", 168: "plant", 170: "wall", 176: "wall"},
    **{179: "window", 180: "window", 181: "solid"},
}
POTSDAM = ["roads and cars", "buildings and clutter", "vegetation and trees"]
SUIM = {(0, 0, 0): 0, (0, 0, 255): 1, (0, 255, 0): 2, (0, 255, 255): 3, (255, 0, 0): 4, (255, 0, 255): 5}
SUIM |= {(255, 255, 0): 6, (255, 255, 255): 7}


def png(path, array, mode=None):
    Pillow.fromarray(array, mode).save(path) if mode is None else Pillow.fromarray(array).convert(mode).save(path)
    return path


def test_cocostuff_maps_every_fine_class(tmp_path):
    stored = np.arange(182, dtype=np.uint8).reshape(13, 14)
    stored = np.concatenate([stored, np.full((1, 14), 255, np.uint8)])
    labels = read_coded(png(tmp_path / "a.png", stored), "cocostuff27")
    names = CODINGS["cocostuff27"].classes
    assert len(names) == len(set(names)) == 27
    assert (labels[13] == -1).all()
    assert labels.dtype == np.int32
    flat = labels[:13].ravel()
    assert {fine: names[flat[fine]] for fine in COCO} == COCO
    # sizes of the 12 superclasses of things and 15 of stuff, as the paper's hierarchy has them
    assert np.bincount(flat[:91], minlength=27)[:12].tolist() == [6, 6, 10, 10, 8, 8, 8, 10, 6, 1, 10, 8]
    assert set(flat[:91]) == set(range(12))
    assert set(flat[91:]) == set(range(12, 27))
    with pytest.raises(UsageError, match=r"b\.png: holds 182 at row 0, column 3, which labels of cocostuff27 never do"):
        read_coded(png(tmp_path / "b.png", np.array([[0, 1, 2, 182]], np.uint8)), "cocostuff27")


def test_cityscapes_keeps_27_ids(tmp_path):
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    labels = read_coded(png(tmp_path / "a.png", stored), "cityscapes27").ravel()
    assert labels.tolist() == [value - 7 if 7 <= value <= 33 else -1 for value in range(256)]
    names = CODINGS["cityscapes27"].classes
    assert len(names) == 27
    ids = {7: "road", 11: "building", 21: "vegetation", 23: "sky", 24: "person", 26: "car", 31: "train", 33: "bicycle"}
    assert {i: names[i - 7] for i in ids} == ids


def test_potsdam_puts_six_classes_into_three(tmp_path):
    stored = np.array([[0, 1, 2], [3, 4, 5], [255, 0, 0]], np.uint8)  # road, building, low plants; tree, car, clutter
    savemat(tmp_path / "a.mat", {"gt": stored})
    assert read_coded(tmp_path / "a.mat", "potsdam3").tolist() == [[0, 1, 2], [2, 0, 1], [-1, 0, 0]]
    assert list(CODINGS["potsdam3"].classes) == POTSDAM
    savemat(tmp_path / "b.mat", {"gt": stored + 6})
    with pytest.raises(UsageError, match=r"b\.mat: holds 6 at row 0, column 0"):
        read_coded(tmp_path / "b.mat", "potsdam3")
    savemat(tmp_path / "c.mat", {"img": stored})
    with pytest.raises(UsageError, match=r"c\.mat: cannot read this label of potsdam3 \(MATLAB file without.*'gt'"):
        read_coded(tmp_path / "c.mat", "potsdam3")


def test_camvid_and_its_void(tmp_path):
    labels = read_coded(png(tmp_path / "a.png", np.arange(12, dtype=np.uint8)[None]), "camvid")
    assert labels.tolist() == [[*range(11), -1]]
    assert CODINGS["camvid"].classes[0] == "sky"
    with pytest.raises(UsageError, match="holds 12 at"):
        read_coded(png(tmp_path / "b.png", np.full((2, 2), 12, np.uint8)), "camvid")


@settings(deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
def test_suim_takes_the_nearest_of_eight_colors(stored):
    found = by_bits(stored)
    for y, x in np.ndindex(found.shape):
        distances = {label: np.abs(np.array(color) - stored[y, x].astype(int)).sum() for color, label in SUIM.items()}
        assert found[y, x] == min(distances, key=distances.get)


def test_suim_masks(tmp_path):
    stored = np.array([list(SUIM)], np.uint8)
    Pillow.fromarray(stored).save(tmp_path / "a.bmp")
    assert read_coded(tmp_path / "a.bmp", "suim").tolist() == [list(range(8))]
    names = CODINGS["suim"].classes
    assert (names[0], names[1], names[5]) == ("waterbody", "human divers", "reefs and invertebrates")


def voc_color(index: int) -> tuple[int, int, int]:
    """PASCAL VOC's palette, bit by bit, which MSRC's begins with."""
    channels = [0, 0, 0]
    for shift in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * shift + channel) & 1) << (7 - shift)
    return tuple(channels)


def test_msrc_colors(tmp_path):
    names = CODINGS["msrc21"].classes
    assert len(names) == 21
    assert not {"horse", "mountain", "void"} & set(names)
    fine = ["void", "building", "grass", "tree", "cow", "horse", "sheep", "sky", "mountain", "aeroplane", "water"]
    fine += [
        "face",
        "car",
        "bicycle",
        "flower",
        "sign",
        "bird",
        "book",
        "chair",
    ]
    colors = [voc_color(i) for i in range(19)]
    stored = np.array([colors], np.uint8)
    Pillow.fromarray(stored).save(tmp_path / "a_GT.bmp")
    labels = read_coded(tmp_path / "a_GT.bmp", "msrc21")[0]
    for name, label in zip(fine, labels.tolist(), strict=True):
        assert label == (names.index(name) if name in names else -1), name
    Pillow.fromarray(np.full((2, 2, 3), 1, np.uint8)).save(tmp_path / "b_GT.bmp")
    with pytest.raises(
        UsageError, match=r"holds \[1, 1, 1\] at row 0, column 0, which labels of msrc21 never do \(4 pix"
    ):
        read_coded(tmp_path / "b_GT.bmp", "msrc21")


@settings(deadline=None)
@given(hnp.arrays(np.int64, (3, 4), elements=st.integers(0, 23)))
def test_msrc_decodes_any_picture_of_its_colors(places):
    from segpipe.labels.encodings import _MSRC, _MSRC_VOID

    palette = [*_MSRC.values(), *_MSRC_VOID.values()]
    found = CODINGS["msrc21"].decode(np.array(palette, np.uint8)[places])
    assert np.array_equal(found, np.where(places < 21, places, -1))


def test_files_of_another_kind(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    Pillow.new("RGB", (3, 3)).save(tmp_path / "b.png")
    for name, reason in (
        ("a", "not a PNG, TIFF or BMP"),
        ("b", "a picture of mode RGB, expected L or P"),
        ("c", "No such"),
    ):
        with pytest.raises(UsageError, match=rf"{name}\.png: cannot read this label of camvid \(.*{reason}.*restore"):
            read_coded(tmp_path / f"{name}.png", "camvid")
