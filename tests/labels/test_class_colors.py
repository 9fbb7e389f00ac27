"""Label maps in colors, as CVAT's Segmentation mask 1.1 and others write them, and what lists their classes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.labels.class_colors import classes_of_colors, parse_labelmap
from segpipe.labels.ground_truth import read_truth
from segpipe.labels.label_maps import read_class_file, read_label_map
from segpipe.labels.placement import UNLABELLED
from segpipe.records.corpus import Corpus, Crop
from tests.labels.test_label_maps import image

CVAT = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nDog:176,112,32::\nDefect: hole:255,255,255::\n"
PALETTE = np.array([[0, 0, 0], [176, 112, 32], [255, 255, 255]], np.uint8)


def test_the_label_map_file_of_cvat_names_classes_and_colors(tmp_path: Path) -> None:
    path = tmp_path / "labelmap.txt"
    path.write_text(CVAT)
    names, colors = read_class_file(path)
    assert names == ("background", "Dog", "Defect: hole")
    assert colors == {0: 0, 0xB07020: 1, 0xFFFFFF: 2}
    path.write_text("sand\nrock: grey\n")
    assert read_class_file(path) == (("sand", "rock: grey"), None)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
def test_colors_are_read_as_the_classes_that_have_them(tmp_path: Path, mode: str, ending: str) -> None:
    if (mode, ending) == ("RGBA", "bmp"):
        pytest.skip("Pillow writes no BMP with alpha that it reads back as such")
    labels = np.random.default_rng(0).integers(0, 3, (30, 40))
    path, colors = tmp_path / f"a.{ending}", parse_labelmap(CVAT.splitlines(), tmp_path)
    picture = Pillow.fromarray(PALETTE[labels])
    if mode == "P":  # with its palette in another order, so that the stored values are others
        picture = Pillow.fromarray((2 - labels).astype(np.uint8))
        picture.putpalette(PALETTE[::-1].tobytes())
    picture.convert(mode).save(path)
    assert colors is not None
    np.testing.assert_array_equal(read_label_map(path, image("a.jpg", Size(30, 40)), colors[1]), labels)


def test_black_that_no_class_has_is_not_labelled_and_other_strangers_are_refused(tmp_path: Path) -> None:
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0, 0] = 9, 8, 7
    assert classes_of_colors(rgb, {0x090807: 0}, tmp_path).tolist() == [[0, UNLABELLED], [UNLABELLED, UNLABELLED]]
    with pytest.raises(UsageError, match=r"1 pixels have the color 9,8,7, and so have no class \(1 such colors\)"):
        classes_of_colors(rgb, {0x010203: 0}, tmp_path)


def test_labels_without_colors_and_wrong_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Pillow.fromarray(np.zeros((3, 4), np.uint8)).save(path)
    with pytest.raises(UsageError, match="this label map has none; give a file of names alone"):
        read_label_map(path, image("a.jpg", Size(3, 4)), {0: 0})
    with pytest.raises(UsageError, match=r"m:2: the color 1,2,3 is that of 'a' already"):
        parse_labelmap(["a:1,2,3", "b:1,2,3"], Path("m"))
    with pytest.raises(UsageError, match=r"m:1: '1,2,300' is no color"):
        parse_labelmap(["a:1,2,300"], Path("m"))


@given(
    st.dictionaries(
        st.tuples(*[st.integers(0, 255)] * 3), st.text("abc: ü#", min_size=1).map(str.strip).filter(bool), max_size=9
    )
)
def test_what_is_written_is_parsed(classes: dict[tuple[int, int, int], str]) -> None:
    lines = [f"{name}:{r},{g},{b}::" for (r, g, b), name in classes.items() if not name.startswith("#")]
    found = parse_labelmap(["# comment", "", *lines], Path("m"))
    kept = {rgb: name for rgb, name in classes.items() if not name.startswith("#")}
    if not kept:
        assert found is None
        return
    assert found is not None
    assert found[0] == list(kept.values())
    assert [*found[1]] == [r << 16 | g << 8 | b for r, g, b in kept]


def test_a_folder_as_cvat_exports_it_is_read_through_worker_processes(tmp_path: Path) -> None:
    (tmp_path / "SegmentationClass").mkdir()
    (tmp_path / "labelmap.txt").write_text(CVAT)
    labels = np.arange(24).reshape(4, 6) % 3
    Pillow.fromarray(PALETTE[labels]).save(tmp_path / "SegmentationClass" / "a.png")
    corpus = Corpus(tmp_path, (image(),), (Crop(0, Box(0, 0, 4, 6)),))
    truth = read_truth(tmp_path / "SegmentationClass", tmp_path / "labelmap.txt", corpus, Runtime())
    assert truth.classes == ("background", "Dog", "Defect: hole")
    np.testing.assert_array_equal(truth.reader(tmp_path / "SegmentationClass" / "a.png", image()), labels)
