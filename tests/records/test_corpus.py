from pathlib import Path

import pytest

from segpipe.base.geometry import Box, Size
from segpipe.records.corpus import Corpus, Crop, FrameInfo, Image


def image(name: str, depth: str = "uint8") -> Image:
    return Image(name, f"{name}.png", Size(4, 6), depth, "00", 10)


WHOLE = Box(0, 0, 4, 6)


def test_crops_of_each_image() -> None:
    crops = tuple(Crop(i, WHOLE) for i in (0, 0, 1, 2, 2, 2))
    corpus = Corpus(Path("/x"), (image("a"), image("b"), image("c")), crops)
    assert corpus.crops_of == (range(0, 2), range(2, 3), range(3, 6))


def test_scenes_are_photographs_and_squares_of_mosaics() -> None:
    size = Size(100, 100)
    mosaic = Image("m", "m.tif", size, "uint8", "00", 10, mosaic=True)
    windows = [Box(top, left, 10, 10) for top in (0, 39, 40) for left in (0, 90)]
    crops = (Crop(0, WHOLE), Crop(0, WHOLE), *(Crop(1, box) for box in windows), Crop(2, WHOLE))
    corpus = Corpus(Path("/x"), (image("a"), mosaic, image("b")), crops)
    assert corpus.groups.tolist() == [0, 0, 1, 2, 1, 2, 3, 4, 5]


def frames(video: str, count: int, step: float) -> list[Image]:
    size = Size(4, 6)
    moments = [FrameInfo(video, i, i * step, step) for i in range(count)]
    return [Image(f"{video}/{m.index}", f"{video}/{m.index}.png", size, "uint8", "00", 10, moment=m) for m in moments]


@pytest.mark.parametrize(
    ("count", "step", "takes"),
    [
        (100, 1.0, [i // 10 for i in range(100)]),  # ten seconds
        (16, 1.0, [i // 2 for i in range(16)]),  # an eighth of 16 seconds
        (3, 1.0, [0, 1, 2]),
        (1, 1.0, [0]),
        (4, 0.0, [0, 1, 2, 3]),  # a file without time stamps
    ],
)
def test_frames_that_follow_each_other_soon_are_one_scene(count: int, step: float, takes: list[int]) -> None:
    film = frames("a.mp4", count, step)
    images = (image("a"), *film, image("b"), *frames("b.mp4", 1, 1.0))
    corpus = Corpus(Path("/x"), images, tuple(Crop(i, WHOLE) for i in range(len(images)) for _ in range(2)))
    expected = [0, *(1 + take for take in takes), 2 + takes[-1], 3 + takes[-1]]
    assert corpus.shots.tolist() == expected
    assert corpus.groups.tolist() == [take for take in expected for _ in range(2)]


@pytest.mark.parametrize(
    ("images", "crops", "message"),
    [
        ([image("a"), image("a")], [Crop(0, WHOLE), Crop(1, WHOLE)], "unique"),
        ([image("a"), image("b")], [Crop(0, WHOLE)], "every image needs crops"),
        ([image("a"), image("b")], [Crop(1, WHOLE), Crop(0, WHOLE)], "ordered by image"),
        ([image("a", "uint16")], [Crop(0, WHOLE)], "no scaling"),
        ([image("a")], [Crop(0, Box(0, 0, 5, 6))], "outside"),
    ],
)
def test_a_corpus_checks_itself(images: list[Image], crops: list[Crop], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Corpus(Path("/x"), tuple(images), tuple(crops))


def test_slivers_are_narrower_than_half_a_patch_unless_all_are() -> None:
    sizes = {"a": Size(60, 80), "b": Size(7, 90)}
    images = [Image(name, f"{name}.png", size, "uint8", "", 1) for name, size in sizes.items()]
    crops = (Crop(0, Box(0, 0, 60, 80)), Crop(1, Box(0, 0, 7, 28)), Crop(1, Box(0, 28, 7, 28)))
    assert Corpus(Path(), tuple(images), crops).slivers == {1, 2}
    alone = Corpus(Path(), (images[1],), tuple(Crop(0, crop.box) for crop in crops[1:]))
    assert alone.slivers == frozenset()
