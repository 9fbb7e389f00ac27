"""Labels of published sets find the images of a run, and become classes."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.labels import encodings, ground_truth
from segpipe.labels.ground_truth import layout_samples, read_layout
from segpipe.labels.label_maps import read_label_map
from segpipe.records.corpus import Corpus, Crop, Image
from tests.helpers import misbehaving
from trials.mutations import mutations

SIZE = Size(4, 6)
RGB = np.random.default_rng(0).integers(256, size=(4, 6, 3), dtype=np.uint8)


def corpus(root: Path, *paths: str, size: Size = SIZE) -> Corpus:
    images = tuple(Image(str(Path(path).with_suffix("")), path, size, "uint8", "", 1) for path in paths)
    return Corpus(root, images, tuple(Crop(i, Box(0, 0, size.height, size.width)) for i in range(len(paths))))


def write_camvid(root: Path, labels: dict[str, np.ndarray]) -> None:
    for folder in ("train", "trainannot"):
        (root / folder).mkdir()
    for name, stored in labels.items():
        Pillow.fromarray(RGB).save(root / "train" / f"{name}.png")
        Pillow.fromarray(stored).save(root / "trainannot" / f"{name}.png")


def read(root: Path, images: Corpus, workers: int = 1):
    samples = layout_samples(root, None, layout="camvid", split="train")
    return read_layout(root, samples, images, Runtime(workers=workers), layout="camvid")


@pytest.fixture
def camvid(tmp_path):
    sky, void = np.zeros((4, 6), np.uint8), np.full((4, 6), 11, np.uint8)
    write_camvid(tmp_path, {"a": sky, "b": void, "c": sky[:3], "d": sky + 3})
    return tmp_path


@pytest.mark.parametrize("workers", [1, 2])
def test_every_label_is_checked(camvid, workers):
    images = corpus(camvid, "train/a.png", "train/b.png", "train/c.png")
    truth = read(camvid, images, workers)
    assert truth.sources == {0: camvid / "trainannot" / "a.png"}
    assert (truth.empty, truth.layout, len(truth.classes)) == (1, "camvid", 11)
    assert sorted(truth.unmatched) == [
        "trainannot/c.png (6 x 3 pixels where train/c.png has 6 x 4)",
        "trainannot/d.png",
    ]
    assert not truth.reader(camvid / "trainannot" / "a.png", images.images[0]).any()
    assert (truth.reader(camvid / "trainannot" / "b.png", images.images[1]) == -1).all()
    with pytest.raises(UsageError, match=r"c\.png: 6 x 3 pixels where .* has 6 x 4; labels are never resized"):
        truth.reader(camvid / "trainannot" / "c.png", images.images[2])


def test_images_are_known_by_file_or_by_path(camvid):
    inside = read(camvid, corpus(camvid / "train", "d.png", "a.png"))  # the run was made of the sub-folder alone
    assert {i: path.name for i, path in inside.sources.items()} == {0: "d.png", 1: "a.png"}
    copied = read(camvid, corpus(Path("/elsewhere"), "train/a.png", "test/d.png"))
    assert {i: path.name for i, path in copied.sources.items()} == {0: "a.png"}
    with pytest.raises(CorpusError, match=r"none of the 4 labels .*'train/a\.png' is not among them, 'a\.png' is"):
        read(camvid, corpus(Path("/elsewhere"), "a.png"))  # a bare name could be any split's
    with pytest.raises(CorpusError, match="no label of the split holds a labelled pixel of its image"):
        read(camvid, corpus(camvid, "train/b.png"))


def test_class_names_are_the_sets_own(camvid):
    with pytest.raises(UsageError, match=r"evaluate\.classes=names\.txt: the layout camvid names its own classes"):
        layout_samples(camvid, Path("names.txt"), layout="camvid", split="train")
    (camvid / "trainannot" / "d.png").unlink()
    with pytest.raises(UsageError, match=r"d\.png: the layout camvid expects this label file .*\(1 of 4 labels are\)"):
        layout_samples(camvid, None, layout="camvid", split="train")


def test_a_label_that_kills_its_decoder_is_named(camvid):
    images = corpus(camvid, "train/a.png")
    with pytest.raises(UsageError, match=r"a\.png: the decoder crashed \(SIGSEGV\); save this label again"):
        ground_truth._checked(misbehaving.crash_at, [(camvid / "trainannot" / "a.png", images.images[0])], Runtime())


def test_a_label_that_takes_too_much_memory_or_has_too_many_pixels_is_named(camvid, monkeypatch):
    monkeypatch.setattr(ground_truth, "memory_for", lambda pixels: 2 << 20)
    Pillow.fromarray(np.zeros((4000, 4000), np.uint8)).save(camvid / "trainannot" / "a.png")
    with pytest.raises(UsageError, match=r"a\.png: takes more than 0\.0 GiB of memory to decode; save this label"):
        read(camvid, corpus(camvid, "train/a.png", size=Size(4000, 4000)))
    monkeypatch.setattr(encodings, "MAX_PIXELS", 10_000_000)
    with pytest.raises(UsageError, match="4000 x 4000 pixels are more than 10 million"):
        encodings.read_coded(camvid / "trainannot" / "a.png", "camvid")


@pytest.mark.parametrize("kind", ["png", "tif", "bmp"])
def test_damaged_labels_are_read_or_said_in_one_line(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    Pillow.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6)).save(path)
    image, said = Image("a", path.name, SIZE, "uint8", "", 1), []
    for content in mutations(path.read_bytes(), 200):
        path.write_bytes(content)
        for reading in (partial(read_label_map, path, image), partial(encodings.read_coded, path, "cityscapes27")):
            try:
                reading()
            except UsageError as error:
                said.append(str(error))
    assert len(said) > 50
    assert all(str(path) in line and "\n" not in line for line in said)
