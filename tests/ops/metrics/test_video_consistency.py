"""VC: against numbers of VSPW's published program, and the paper's formula stated plainly."""

import math

import numpy as np
import pytest

from segpipe.ops.metrics.video_consistency import Consistency, video_consistency


def film(seed, *, frames=24, shape=(9, 11), change=0.04):
    """Class maps of which a few pixels change from frame to frame."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(4, size=shape)
    found = []
    for _ in range(frames):
        classes = np.where(rng.random(shape) < change, rng.integers(4, size=shape), classes)
        found.append(classes)
    return found


def score(truths, found, **windows):
    return video_consistency([(a, b, a == b) for a, b in zip(truths, found, strict=True)], **windows)


def by_formula(truths, found, length):
    """The paper's: sets of (pixel, class) that all frames of a window share."""
    shares = []
    for start in range(len(truths) - length):
        sets = [
            set.intersection(*({(i, int(c)) for i, c in enumerate(m.ravel())} for m in maps[start : start + length]))
            for maps in (truths, found)
        ]
        shares.append(len(sets[0] & sets[1]) / len(sets[0]))
    return np.mean(shares)


@pytest.mark.parametrize(
    ("seed", "published"),
    [(0, (0.9087841787228301, 0.8018296992829392)), (1, (0.9461759762859251, 0.9146375391335615))],
)
def test_vc8_and_vc16_are_the_published_ones(seed, published):
    """Numbers of get_common of VC_perclip.py (VSPW-dataset/VSPW_code) on the same maps."""
    truths, found = film(seed), film(100 + seed, change=0.02)
    eight, sixteen = score(truths, found)
    assert (eight.frames, eight.windows, sixteen.frames, sixteen.windows) == (8, 16, 16, 8)
    assert (eight.steady, sixteen.steady) == pytest.approx(published, abs=1e-12)
    assert eight.right == pytest.approx(by_formula(truths, found, 8), abs=1e-12)
    assert sixteen.right == pytest.approx(by_formula(truths, found, 16), abs=1e-12)


def test_one_class_everywhere_is_steady_and_seldom_right():
    truths = film(3)
    (found,) = score(truths, [np.zeros_like(truths[0])] * len(truths), windows=(8,))
    assert found.steady == 1
    assert found.right == pytest.approx(by_formula(truths, [np.zeros_like(truths[0])] * len(truths), 8))
    assert 0 < found.right < 0.5
    (perfect,) = score(truths, truths, windows=(8,))
    assert (perfect.steady, perfect.right) == (1, 1)


def test_the_numbers_of_found_classes_need_not_be_those_of_the_labels():
    truths = film(4)
    found = [maps + 7 for maps in truths]
    (own,) = video_consistency(
        [(a, b, np.ones_like(a, bool)) for a, b in zip(truths, found, strict=True)], windows=(8,)
    )
    assert (own.steady, own.right) == (1, 1)


def test_pixels_without_label_do_not_count_and_those_without_class_are_not_steady():
    still = np.zeros((2, 4), int)
    unlabelled, classless = still.copy(), still.copy()
    unlabelled[0] = -1
    classless[:, :2] = -1
    (found,) = score([unlabelled] * 4, [classless] * 4, windows=(3,))
    assert found == Consistency(3, 1, 0.5, 0.5)  # two of the four labelled pixels
    (nothing,) = score([np.full((2, 2), -1)] * 4, [still[:, :2]] * 4, windows=(3,))
    assert nothing.windows == 0
    assert math.isnan(nothing.steady)


@pytest.mark.parametrize(("frames", "windows"), [(0, 0), (7, 0), (8, 0), (9, 1), (11, 3)])
def test_a_film_has_as_many_windows_as_frames_beyond_one(frames, windows):
    (found,) = score(film(0, frames=frames), film(0, frames=frames), windows=(8,))
    assert found.windows == windows


def test_frames_of_two_sizes_are_refused():
    small, large = np.zeros((2, 2), int), np.zeros((3, 3), int)
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(3, 3\)"):
        score([small, large], [small, large])
