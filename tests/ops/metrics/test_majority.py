"""How sure labelled pixels are of a cluster, against SciPy and against pixels drawn again and again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from segpipe.ops.metrics.majority import agreement, share_interval, weak_matches
from segpipe.ops.metrics.matching import match_one_to_one
from segpipe.records.scores import confusion_of, join


@given(st.integers(1, 3000), st.data())
def test_one_image_has_wilsons_interval(total: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    wanted = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert share_interval(np.array([hits]), np.array([total])) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=9))
def test_pixels_of_one_image_never_say_more_than_those_drawn_one_by_one(rows: list[tuple[int, int]]) -> None:
    hits, misses = np.array(rows).T
    low, high = share_interval(hits, hits + misses)
    apart = share_interval(hits.sum(keepdims=True), (hits + misses).sum(keepdims=True))
    assert 0 <= low <= apart[0] + 1e-12
    assert apart[1] - 1e-12 <= high <= 1


def test_the_interval_holds_the_share_of_images_that_differ() -> None:
    """Images of 200 alike pixels: their own shares are drawn from a Beta of mean 0.6, whose interval is known."""
    rng, held, alone = np.random.default_rng(0), 0, 0
    for _ in range(400):
        own = rng.beta(3, 2, size=80)
        hits, totals = rng.binomial(200, own), np.full(80, 200)
        low, high = share_interval(hits, totals)
        held += low <= 0.6 <= high
        low, high = share_interval(hits.sum(keepdims=True), totals.sum(keepdims=True))
        alone += low <= 0.6 <= high
    assert held / 400 == pytest.approx(0.95, abs=0.03)
    assert alone / 400 < 0.4  # as if pixels were drawn one by one


def test_a_match_by_eleven_pixels_is_weak() -> None:
    """Water lies in clusters 0 and 1; one to one, the second of them is left for wrecks."""
    first = np.array([[90_000, 80_000, 0, 0], [0, 6, 0, 0], [0, 0, 4_000, 0]])
    second = np.array([[95_000, 70_000, 0, 0], [0, 5, 0, 0], [0, 0, 5_000, 0]])
    counts = join([confusion_of(first), confusion_of(second)])
    matching = match_one_to_one(counts.total()[:, :-1])
    assert matching.tolist() == [0, 1, 2]
    assert weak_matches(counts, matching) == [1]
    # few pixels, or pixels of one image, are weak even where they all agree
    few = join([confusion_of(np.array([[5, 0], [0, 0]])), confusion_of(np.array([[4, 0], [0, 0]]))])
    assert weak_matches(few, np.array([0])) == [0]
    one = join([confusion_of(np.array([[500, 0], [0, 0]])), confusion_of(np.array([[0, 0], [0, 9]]))])
    assert weak_matches(one, np.array([0])) == [0]
    assert weak_matches(one, np.array([0]), together=np.array([3, 3])) == []  # a single scene is all there is
    assert weak_matches(confusion_of(np.array([[500, 0], [9, 0]])), np.array([0])) == []


def test_thirteen_of_twenty_six_are_no_sure_majority() -> None:
    counts = join([confusion_of(np.array([[7, 0], [6, 0]])), confusion_of(np.array([[6, 0], [7, 0]]))])
    found = agreement(counts, 0, 0)
    wanted = binomtest(13, 26).proportion_ci(0.95, method="wilson")
    assert (found.pixels, found.images, found.share) == (26, 2, 0.5)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    nothing = agreement(confusion_of(np.array([[0, 0, 3], [0, 0, 2]])), 1, 0)
    assert (nothing.pixels, nothing.images, nothing.share, nothing.low, nothing.high) == (0, 0, 0.0, 0.0, 1.0)
