from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.labels.ground_truth import Truth
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.stages.evaluate.held_out import without_steering
from tests.records.test_guide import GUIDE

CROPS = tuple(Crop(i, Box(0, 0, 8, 8)) for i in range(4))


def corpus(*names: str) -> Corpus:
    return Corpus(Path("/i"), tuple(Image(n, f"{n}.png", Size(8, 8), "uint8", "0", 1) for n in names), CROPS)


def truth(*indices: int) -> Truth:
    return Truth({i: Path(f"{i}.png") for i in indices}, ("a",), np.zeros(1, np.int32), [], 0)


def test_images_that_steered_are_left_out_and_alone_they_judge_nothing():
    images = corpus("w", "x", "y", "z")
    kept, left_out = without_steering(truth(0, 1, 3), images, GUIDE)
    assert (sorted(kept.sources), left_out) == ([0, 3], 1)
    assert without_steering(truth(1, 2), images, None)[1] == 0
    with pytest.raises(UsageError, match=r"guided by 7 points.*hold some out by cluster\.hold_out=0\.5"):
        without_steering(truth(1, 2), images, GUIDE)
