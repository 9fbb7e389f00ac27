"""Miniature trees with the real names of the published sets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.io import savemat

from segpipe.base.errors import UsageError
from segpipe.images.datasets import LAYOUTS, find_samples, known_layout, list_layout
from segpipe.labels.encodings import CODINGS


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def pairs(root: Path, layout: str, split: str) -> list[tuple[str, str]]:
    return [(sample.image, sample.label) for sample in find_samples(root, layout=layout, split=split, section="index")]


def test_every_layout_can_be_read():
    assert LAYOUTS.keys() == CODINGS.keys()
    assert known_layout("folder") == "folder"
    with pytest.raises(ValueError, match="is no layout; choose folder, cocostuff27, cityscapes27, potsdam3, suim"):
        known_layout("cityscapes")


def test_cocostuff_is_the_curated_lists(tmp_path):
    write(tmp_path, "curated/train2017/Coco164kFull_Stuff_Coarse.txt", "000000000025\n000000000009\n")
    write(tmp_path, "curated/val2017/Coco164kFull_Stuff_Coarse_7.txt", "000000000139\n")
    write(tmp_path, "curated/train2017/Coco164kFull_Stuff_Coarse_7.txt", "000000000777\n")
    touch(tmp_path, *(f"images/train2017/{i:012}.jpg" for i in (9, 25, 30)), "images/val2017/000000000139.jpg")
    assert pairs(tmp_path, "cocostuff27", "train") == [
        ("images/train2017/000000000009.jpg", "annotations/train2017/000000000009.png"),
        ("images/train2017/000000000025.jpg", "annotations/train2017/000000000025.png"),
    ]
    assert pairs(tmp_path, "cocostuff27", "val") == [
        ("images/val2017/000000000139.jpg", "annotations/val2017/000000000139.png")
    ]


def test_listed_images_that_are_missing_are_put_aside(tmp_path):
    write(tmp_path, "curated/train2017/Coco164kFull_Stuff_Coarse.txt", "000000000025\n000000000009\n")
    touch(tmp_path, "images/train2017/000000000025.jpg")
    listing = list_layout(str(tmp_path), layout="cocostuff27", split="train")
    assert listing.root == tmp_path
    assert listing.paths == ("images/train2017/000000000025.jpg",)
    assert [(item.path, item.reason) for item in listing.rejected] == [
        ("images/train2017/000000000009.jpg", "the layout cocostuff27 lists it and there is no such file")
    ]


def test_cityscapes_is_every_city_of_the_split(tmp_path):
    names = ("train/ulm/ulm_000001_000019", "train/aachen/aachen_000000_000019", "val/lindau/lindau_000000_000019")
    touch(tmp_path, *(f"leftImg8bit/{name}_leftImg8bit.png" for name in names))
    touch(tmp_path, "leftImg8bit/train/ulm/notes.txt")
    assert pairs(tmp_path, "cityscapes27", "train") == [
        (f"leftImg8bit/{name}_leftImg8bit.png", f"gtFine/{name}_gtFine_labelIds.png") for name in sorted(names)[:2]
    ]
    assert len(pairs(tmp_path, "cityscapes27", "val")) == 1


def test_potsdam_is_lists_of_tiles(tmp_path):
    for name, text in (("labelled_train", "10\n2\n"), ("unlabelled_train", "3\n"), ("labelled_test", "4\n")):
        write(tmp_path, f"{name}.txt", text)
    (tmp_path / "imgs").mkdir()
    assert pairs(tmp_path, "potsdam3", "train") == [("imgs/10.mat", "gt/10.mat"), ("imgs/2.mat", "gt/2.mat")]
    assert pairs(tmp_path, "potsdam3", "val") == [("imgs/4.mat", "gt/4.mat")]
    assert pairs(tmp_path, "potsdam3", "unlabelled_train") == [("imgs/3.mat", "gt/3.mat")]
    assert len(pairs(tmp_path, "potsdam3", "all")) == 4


@pytest.mark.parametrize(
    ("layout", "split", "image", "label"),
    [
        ("suim", "train", "train_val/images/d_r_47_.jpg", "train_val/masks/d_r_47_.bmp"),
        ("suim", "test", "TEST/images/d_r_58_.jpg", "TEST/masks/d_r_58_.bmp"),
        ("camvid", "val", "val/0016E5_07959.png", "valannot/0016E5_07959.png"),
        ("msrc21", "all", "Images/1_1_s.bmp", "GroundTruth/1_1_s_GT.bmp"),
    ],
)
def test_sets_of_two_folders(tmp_path, layout, split, image, label):
    touch(tmp_path, image, str(Path(image).with_name("Thumbs.db")))
    assert pairs(tmp_path, layout, split) == [(image, label)]


@pytest.mark.parametrize(
    ("layout", "split", "there", "message"),
    [
        ("cocostuff27", "val", [], r"split val, expects images/val2017/ in there and it is missing"),
        ("cocostuff27", "val", ["images/val2017/1.jpg"], r"the list curated/val2017/Coco164kFull_Stuff_Coarse_7\.txt"),
        ("cityscapes27", "train", ["gtFine/train/ulm/a.png"], r"expects leftImg8bit/train/ in there"),
        ("cityscapes27", "train", ["leftImg8bit/train/a.png"], r"expects leftImg8bit/train/CITY/"),
        ("cityscapes27", "train", ["leftImg8bit/train/ulm/a.png"], r"train/ulm/\*_leftImg8bit\.png"),
        ("potsdam3", "train", ["imgs/1.mat"], r"the list labelled_train\.txt in there"),
        ("potsdam3", "train", ["imgs/1.mat", "labelled_train.txt"], r"labelled_train\.txt, which is empty,"),
        ("suim", "test", ["TEST/1.jpg"], r"expects TEST/images/ in there"),
        ("camvid", "train", ["test/1.png"], r"expects train/ in there"),
        ("msrc21", "all", ["Images/1.png"], r"expects Images/\*\.bmp in there"),
        ("msrc21", "train", [], r"index\.split=train is no split of msrc21; choose all$"),
        ("cityscapes27", "", [], r"index\.split is not set for cityscapes27; choose train or val or test$"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, layout, split, there, message):
    touch(tmp_path, *there)
    with pytest.raises(UsageError, match=message) as caught:
        find_samples(tmp_path, layout=layout, split=split, section="index")
    assert "\n" not in str(caught.value)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere: there is no such folder; name the folder of the suim set"):
        find_samples(tmp_path / "nowhere", layout="suim", split="train", section="index")
    with pytest.raises(UsageError, match=r"index\.images is not set"):
        list_layout("", layout="suim", split="train")


def write_tile(root: Path, name: str, rgb: np.ndarray, labels: np.ndarray | None, **options) -> None:
    """A tile as IIC's preparation leaves it: color and infrared as `img`, values as `gt`."""
    (root / "imgs").mkdir(parents=True, exist_ok=True)
    (root / "gt").mkdir(exist_ok=True)
    infrared = np.full((*rgb.shape[:2], 1), 7, np.uint8)
    savemat(root / "imgs" / f"{name}.mat", {"img": np.concatenate([rgb, infrared], axis=2)}, **options)
    if labels is not None:
        savemat(root / "gt" / f"{name}.mat", {"gt": labels}, **options)


def test_tiles_are_images_everywhere(tmp_path):
    from segpipe.base.runtime import Runtime
    from segpipe.images.corpus_reader import read_original
    from segpipe.stages import ARTEFACTS, index
    from segpipe.store.corpus import load_corpus, load_rejected
    from segpipe.store.run_dir import RunDir

    rng = np.random.default_rng(0)
    tiles = {name: rng.integers(256, size=(20, 30, 3), dtype=np.uint8) for name in ("1", "2", "3")}
    for i, (name, rgb) in enumerate(tiles.items()):
        write_tile(tmp_path / "potsdam", name, rgb, None, do_compression=bool(i % 2))
    broken = tmp_path / "potsdam" / "imgs" / "3.mat"
    broken.write_bytes(broken.read_bytes()[:-40])
    savemat(tmp_path / "potsdam" / "imgs" / "4.mat", {"other": np.zeros(3)})
    write(tmp_path, "potsdam/unlabelled_train.txt", "1\n2\n3\n4\n5\n")
    config = index.Config(images=str(tmp_path / "potsdam"), layout="potsdam3", split="unlabelled_train")
    run = RunDir(tmp_path / "run", ARTEFACTS)
    summary = index.run(config, run, Runtime(workers=2))
    corpus = load_corpus(run.path("corpus"))
    assert (summary.images, summary.rejected, summary.depths) == (2, 3, {"uint8": 2})
    assert [image.id for image in corpus.images] == ["imgs/1", "imgs/2"]
    for image, rgb in zip(corpus.images, tiles.values(), strict=False):
        pixels = read_original(corpus, image)
        assert np.array_equal(pixels.rgb, rgb)
        assert pixels.valid is None
        assert pixels.rgb.flags.c_contiguous
    reasons = {item.path: item.reason for item in load_rejected(run.path("corpus"))}
    assert reasons["imgs/3.mat"].startswith("truncated: ")
    assert reasons["imgs/4.mat"] == "MATLAB file without a variable 'img'; it holds other"
    assert reasons["imgs/5.mat"] == "the layout potsdam3 lists it and there is no such file"
    assert [path.name for path in index.input_files(config)] == ["1.mat", "2.mat", "3.mat", "4.mat"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros((4, 5, 3)), "MATLAB file whose 'img' is of type double, not uint8"),
        (np.zeros((4, 5), np.uint8), "MATLAB file whose 'img' is 4 x 5, not H x W x 3 or more"),
        (np.zeros((4, 5, 2), np.uint8), "MATLAB file whose 'img' is 4 x 5 x 2, not H x W x 3 or more"),
    ],
)
def test_tiles_of_another_kind(tmp_path, value, reason):
    from segpipe.images.readers import BadImage, probe_image

    savemat(tmp_path / "a.mat", {"img": value})
    with pytest.raises(BadImage) as caught:
        probe_image(tmp_path / "a.mat", max_pixels=100)
    assert caught.value.reason == reason


def test_damaged_tiles_are_bad_images(tmp_path):
    from segpipe.images.readers import BadImage, probe_image

    rng = np.random.default_rng(1)
    write_tile(tmp_path, "a", rng.integers(256, size=(30, 30, 3), dtype=np.uint8), None, do_compression=True)
    whole = (tmp_path / "imgs" / "a.mat").read_bytes()
    for length in (20, 100, 127, 128, 130, 140, 200, len(whole) - 1):
        (tmp_path / "b.mat").write_bytes(whole[:length])
        with pytest.raises(BadImage):
            probe_image(tmp_path / "b.mat", max_pixels=10**6)
    for place in range(128, len(whole), 97):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        (tmp_path / "b.mat").write_bytes(changed)
        with pytest.raises(BadImage):
            probe_image(tmp_path / "b.mat", max_pixels=10**6)
    (tmp_path / "b.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(600))
    with pytest.raises(BadImage, match=r"a MATLAB 7\.3 file"):
        probe_image(tmp_path / "b.mat", max_pixels=10**6)


def test_a_plain_folder_has_no_splits(tmp_path):
    from segpipe.stages import index

    Pillow.new("RGB", (9, 9)).save(tmp_path / "a.png")
    assert index.input_files(index.Config(images=str(tmp_path))) == [tmp_path / "a.png"]
    with pytest.raises(UsageError, match=r"index\.split=train: a plain folder has no splits"):
        index.input_files(index.Config(images=str(tmp_path), split="train"))


def test_a_list_with_a_name_that_no_file_can_have_is_refused_in_a_line(tmp_path: Path) -> None:
    listed = tmp_path / "labelled_train.txt"
    (tmp_path / "imgs").mkdir()
    listed.write_text("one\nt" + "9" * 255 + "\n")
    with pytest.raises(UsageError, match=r"labelled_train\.txt: name 2 cannot be that of a file \(256 char") as caught:
        pairs(tmp_path, "potsdam3", "train")
    assert len(str(caught.value)) < len(str(listed)) + 250
