"""Ranking of images, by numbers that can be worked out by hand."""

from pathlib import Path

import numpy as np

from segpipe.base.geometry import Box, Size
from segpipe.commands.similar.retrieval import similar_images
from segpipe.records.corpus import Corpus, Crop, Image


def corpus(crops: list[int]) -> Corpus:
    images = tuple(Image(str(i), f"{i}.png", Size(8, 8), "uint8", "0", 1) for i in range(max(crops) + 1))
    return Corpus(Path(), images, tuple(Crop(i, Box(0, 0, 8, 8)) for i in crops))


def test_an_image_counts_by_its_best_crop_and_the_query_is_left_out() -> None:
    vectors = np.array([[2, 0], [0, 2], [-2, 0], [0, -2]], np.float32)  # their mean is 0
    pictures = corpus([0, 1, 1, 2])
    query = np.array([[3, 4]], np.float32)
    found = similar_images(query, vectors, pictures, k=2, skip=None)
    assert [(match.index, round(match.score, 6)) for match in found] == [(1, 0.8), (0, 0.6)]
    assert [match.index for match in similar_images(query, vectors, pictures, k=3, skip=1)] == [0, 2]
