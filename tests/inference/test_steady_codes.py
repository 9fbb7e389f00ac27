"""Which frames steady which, and that each is read once."""

from collections import Counter

import numpy as np

from segpipe.base.geometry import Box, Size
from segpipe.inference.steady_codes import SteadyCodes, neighbors
from segpipe.ops.maps.steady import FrameCodes, steady
from segpipe.records.corpus import Corpus, Crop, FrameInfo, Image


def corpus_of(*films: tuple[str, Size, int], crops: int = 2) -> Corpus:
    """Frames of films one after the other; a film without a name is a photograph."""
    images = [
        Image(
            f"{name}{n}/{i}", "a.png", size, "uint8", "", 1, moment=FrameInfo(name, i, float(i), 1.0) if name else None
        )
        for n, (name, size, count) in enumerate(films)
        for i in range(count)
    ]
    from pathlib import Path

    boxes = [Crop(i, Box(0, 8 * c, 8, 8)) for i in range(len(images)) for c in range(crops)]
    return Corpus(Path(), tuple(images), tuple(boxes))


def test_neighbors_are_the_same_box_of_frames_of_the_same_film_and_size() -> None:
    small, tall = Size(8, 16), Size(9, 16)
    corpus = corpus_of(("a", small, 4), ("b", small, 2), ("b", tall, 1), ("", small, 1))
    assert neighbors(corpus, 0, 2) == [2, 4]
    assert neighbors(corpus, 1, 2) == [3, 5]
    assert neighbors(corpus, 5, 2) == [1, 3, 7]
    assert neighbors(corpus, 7, 1) == [5]  # the next is of another film
    assert neighbors(corpus, 11, 3) == [9]  # the next has another size
    assert neighbors(corpus, 12, 3) == []
    assert neighbors(corpus, 14, 3) == []  # a photograph


def test_every_frame_is_read_once_and_averaged_with_its_neighbors() -> None:
    corpus = corpus_of(("a", Size(8, 16), 6))
    rng, asked = np.random.default_rng(0), Counter[tuple[int, bool]]()
    frames = {
        (row, flipped): FrameCodes.of(
            rng.normal(size=(2, 2, 3)).astype(np.float32), rng.normal(size=(2, 2, 4)), np.ones((2, 2), bool)
        )
        for row in range(12)
        for flipped in (False, True)
    }

    def read(row: int, flipped: bool) -> FrameCodes:
        asked[row, flipped] += 1
        return frames[row, flipped]

    codes = SteadyCodes(corpus, 1, read)
    for (row, flipped), frame in frames.items():
        others = [frames[at, flipped] for at in (row - 2, row + 2) if 0 <= at < 12]
        np.testing.assert_array_equal(codes(row, flipped), steady(frame, others))
    assert set(asked.values()) == {1}
