"""The camera moves by whole pixels, so that labels move with the picture."""

from itertools import pairwise

import numpy as np

from segpipe.base.geometry import Size
from segpipe.commands.demo.swim import SIZE, swim
from segpipe.ops.drawing.reef import CLASSES


def test_frames_have_one_size_and_are_their_seed() -> None:
    assert (SIZE.width, SIZE.height) == (320, 240)
    frames = list(swim(np.random.default_rng(0), 5, Size(60, 80)))
    again = list(swim(np.random.default_rng(0), 5, Size(60, 80)))
    assert len(frames) == 5
    for (rgb, labels), (other, _) in zip(frames, again, strict=True):
        assert (rgb.shape, labels.shape) == ((60, 80, 3), (60, 80))
        assert labels.max() < len(CLASSES)
        np.testing.assert_array_equal(rgb, other)


def test_labels_move_with_the_picture() -> None:
    (first, first_labels), (second, second_labels), *_ = swim(np.random.default_rng(0), 6, Size(60, 80))
    shifts = [down for down in range(20) if (first[down:, 12:] == second[: 60 - down, :-12]).all()]
    assert len(shifts) == 1
    np.testing.assert_array_equal(first_labels[shifts[0] :, 12:], second_labels[: 60 - shifts[0], :-12])


def test_the_picture_jumps_once_between_two_reefs() -> None:
    frames = [rgb.astype(np.int16) for rgb, _ in swim(np.random.default_rng(0), 8, Size(60, 120))]
    steps = [np.abs(one[:, 12:] - other[:, :-12]).mean() for one, other in pairwise(frames)]
    assert int(np.argmax(steps)) == 3
    assert steps[3] > 1.3 * max(each for i, each in enumerate(steps) if i != 3)
