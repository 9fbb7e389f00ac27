"""J and F: against numbers of DAVIS's published evaluation code on the same masks."""

import math

import numpy as np
import pytest

from segpipe.ops.metrics import video_objects as objects

SHAPE = (120, 214)


def ellipse(y, x, height, width, shape=SHAPE):
    """A filled ellipse; `height` and `width` are half axes."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 <= 1


def moving():
    """An object that moves and what was found of it, which falls behind: six frames."""
    truths = [ellipse(60 + 3 * t, 100 + 5 * t, 30, 45) for t in range(6)]
    return truths, [ellipse(58 + 4 * t, 104 + 6 * t, 33, 40 + 2 * t) for t in range(6)]


# of db_eval_iou, db_eval_boundary and db_eval_boundary with bound_th=3 (davis2017-evaluation, davis2017/metrics.py)
PUBLISHED = [
    (0.839014734990, 0.509670674334, 0.603170803565),
    (0.831875400043, 0.373000231857, 0.598232359746),
    (0.813482216708, 0.220183486239, 0.379884547069),
    (0.792181890706, 0.267593730793, 0.371848739496),
    (0.768757214313, 0.278577598618, 0.394041081961),
    (0.741564701520, 0.259375000000, 0.371875000000),
]

NOTHING, ALL = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
MIDDLE = ellipse(60, 100, 30, 45)


def test_j_and_f_are_the_published_ones():
    for truth, found, (j, f, wide) in zip(*moving(), PUBLISHED, strict=True):
        assert objects.region_similarity(truth, found) == pytest.approx(j, abs=1e-11)
        assert objects.boundary_f(truth, found) == pytest.approx(f, abs=1e-11)
        assert objects.boundary_f(truth, found, bound=3) == pytest.approx(wide, abs=1e-11)


@pytest.mark.parametrize(
    ("truth", "found", "j", "f"),
    [
        (NOTHING, NOTHING, 1.0, 1.0),
        (NOTHING, MIDDLE, 0.0, 0.0),
        (MIDDLE, NOTHING, 0.0, 0.0),
        (ALL, MIDDLE, 0.164758566978, 0.0),  # a mask that fills the image has no boundary
        (ALL, ALL, 1.0, 1.0),
        (MIDDLE, ellipse(20, 190, 9, 9), 0.0, 0.0),  # boundaries, none near the other
        (ellipse(0, 0, 50, 70), ellipse(0, 3, 52, 66), 0.953488372093, 0.909836065574),  # cut by the image's edges
        (ellipse(119, 213, 40, 40), ellipse(119, 213, 44, 38), 0.907194244604, 0.690476190476),
    ],
)
def test_empty_full_and_cut_masks_score_as_published(truth, found, j, f):
    assert objects.region_similarity(truth, found) == pytest.approx(j, abs=1e-11)
    assert objects.boundary_f(truth, found) == pytest.approx(f, abs=1e-11)


def test_an_object_scores_the_means_over_its_frames():
    score = objects.score_object(zip(*moving(), strict=True))
    assert score.frames == 6
    assert score.j == pytest.approx(np.mean([row[0] for row in PUBLISHED]))
    assert score.f == pytest.approx(np.mean([row[1] for row in PUBLISHED]))
    assert score.jf == pytest.approx((score.j + score.f) / 2)
    wide = objects.score_object(zip(*moving(), strict=True), bound=3)
    assert wide.f == pytest.approx(np.mean([row[2] for row in PUBLISHED]))


def test_no_frames_have_no_score():
    score = objects.score_object([])
    assert score.frames == 0
    assert math.isnan(score.j)
    assert math.isnan(score.f)
    assert math.isnan(score.jf)


def test_masks_of_two_sizes_are_refused():
    small = np.ones((3, 4), bool)
    with pytest.raises(ValueError, match=r"\(120, 214\) and \(3, 4\)"):
        objects.region_similarity(MIDDLE, small)
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(120, 214\)"):
        objects.boundary_f(small, MIDDLE)


def test_a_boundary_lies_left_of_and_above_the_edge():
    mask = np.zeros((4, 5), bool)
    mask[2, 3] = True
    edge = objects.boundary(mask)
    assert np.argwhere(edge).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    row = np.zeros((1, 5), bool)
    row[0, 2] = True
    assert np.argwhere(objects.boundary(row)).tolist() == [[0, 1], [0, 2]]
