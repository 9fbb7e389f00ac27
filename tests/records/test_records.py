from pathlib import Path

import numpy as np
import pytest

from segpipe.base.geometry import Box, Size
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image, Moment
from segpipe.records.pairs import PairIndex
from segpipe.records.palette import class_colors


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
    assert corpus.scenes.tolist() == [0, 0, 1, 2, 1, 2, 3, 4, 5]


def frames(video: str, count: int, step: float) -> list[Image]:
    size = Size(4, 6)
    moments = [Moment(video, i, i * step, step) for i in range(count)]
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
    assert corpus.scenes.tolist() == [take for take in expected for _ in range(2)]


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


@pytest.mark.parametrize(
    ("neighbors", "scores", "message"),
    [
        ([[0], [0]], [[1.0], [1.0]], "own neighbor"),
        ([[-1], [0]], [[1.0], [1.0]], "from 0 to 1"),
        ([[1], [0]], [[np.nan], [1.0]], "finite"),
        ([[1], [0]], [[1.0, 2.0], [1.0, 2.0]], r"\(2, 1\)"),
    ],
)
def test_pairs_check_themselves(neighbors: list[list[int]], scores: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PairIndex(np.array(neighbors), np.array(scores, np.float32))


def test_clusters_check_themselves_and_project() -> None:
    eye = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="unit length"):
        ClusterModel(2 * eye, 1.0)
    with pytest.raises(ValueError, match="together"):
        ClusterModel(eye, 1.0, mean=np.zeros(2, np.float32))
    model = ClusterModel(eye, 1.0, mean=np.ones(3, np.float32), components=np.eye(2, 3, dtype=np.float32))
    np.testing.assert_array_equal(model.project(np.array([[2.0, 3.0, 9.0]])), [[1, 2]])
    assert model.clusters == 2


def test_colors_differ_and_do_not_move() -> None:
    colors = class_colors(60)
    assert len({tuple(color) for color in colors.tolist()}) == 60
    np.testing.assert_array_equal(class_colors(7), colors[:7])
