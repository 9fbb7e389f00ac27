"""Cover estimates against slow statements, and intervals that hold the truth about as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segpipe.ops.metrics.bootstrap import resample
from segpipe.ops.metrics.cover_shares import shares_where_held
from segpipe.ops.metrics.doubt import seldom_held
from segpipe.ops.metrics.skewed_interval import jackknife_skewness, one_sample
from segpipe.stages.cover.estimators import (
    bootstrap_calibrated,
    bootstrap_calibrated_site,
    bootstrap_shares,
    calibrate,
    shares,
)

AMOUNTS = st.tuples(st.integers(2, 8), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 50).map(float))
)


def test_a_class_that_no_image_of_a_site_holds_may_be_in_others() -> None:
    everywhere = np.array([[8, 2, 0, 0], [6, 0, 0, 4], [10, 0, 0, 0], [30, 10, 0, 0]], np.float64)
    where_held = shares_where_held(everywhere)
    np.testing.assert_array_equal(where_held, [54 / 70, 12 / 50, np.nan, 4 / 10])
    site = everywhere[[0, 2, 3]]
    plain, found = (bootstrap_shares(site, draws=50, seed=0, where_held=known) for known in (None, where_held))
    assert plain is not None
    assert found is not None
    np.testing.assert_array_equal(np.array(found)[:, :2], np.array(plain)[:, :2])
    np.testing.assert_array_equal(np.array(plain)[:, 2:], 0)
    np.testing.assert_array_equal(found[0][2:], [np.nan, 0])
    np.testing.assert_allclose(found[1][2:], [np.nan, (1 - 0.025 ** (1 / 3)) * 0.4])


def slow_calibrate(mapped: list[float], counts: list[list[int]]) -> tuple[list[float], list[float]]:
    """Equations 9 and 10 of Olofsson et al. (2014) as they are written there, by area proportions p_ij."""
    total = sum(w for w, row in zip(mapped, counts, strict=True) if sum(row))
    share, error = [], []
    for j in range(len(counts[0])):
        cells = [
            (w / total, w / total * row[j] / sum(row), sum(row))
            for w, row in zip(mapped, counts, strict=True)
            if sum(row) and w
        ]
        share.append(sum(p for _, p, _ in cells))
        terms = [(w * p - p**2) / (n - 1) if n > 1 else w**2 / 4 for w, p, n in cells]
        error.append(sum(terms) ** 0.5)
    return share, error


def test_the_published_example() -> None:
    """Olofsson et al. (2014), tables 8 and 9: deforestation, forest gain, stable forest, stable nonforest."""
    mapped = np.array([0.020, 0.015, 0.320, 0.645])
    counts = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
    found = calibrate(mapped, counts)
    hectares = 10_000_000 * 0.09  # ten million pixels of 30 m
    np.testing.assert_allclose(found.share[0] * hectares, 21158, rtol=2e-3)
    np.testing.assert_allclose(1.96 * found.error[0] * hectares, 6158, rtol=2e-3)
    assert found.unseen == 0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_calibration_is_what_the_paper_writes(data) -> None:
    classes, labels = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    counts = data.draw(arrays(np.int64, (classes, labels), elements=st.integers(0, 30)))
    weights = data.draw(arrays(np.float64, classes, elements=st.integers(0, 9).map(float)))
    if not (weights * counts.sum(axis=1)).any():
        return
    mapped = weights / weights.sum()
    found = calibrate(mapped, counts)
    share, error = slow_calibrate(mapped.tolist(), counts.tolist())
    np.testing.assert_allclose(found.share, share, atol=1e-12)
    np.testing.assert_allclose(found.error, error, atol=1e-7)
    assert found.share.sum() == pytest.approx(1)
    assert found.unseen == pytest.approx(mapped[counts.sum(axis=1) == 0].sum())


def test_a_map_without_labelled_pixels_stays_unknown() -> None:
    found = calibrate(np.array([0.5, 0.5]), np.zeros((2, 2), np.int64))
    assert np.isnan(found.share).all()
    assert found.unseen == 1
    assert bootstrap_calibrated(np.ones((3, 2)), np.arange(3), np.zeros((3, 2, 2), np.int64), draws=9, seed=0) is None


@settings(max_examples=60, deadline=None)
@given(AMOUNTS, st.integers(0, 99))
def test_an_interval_is_that_of_samples_drawn_one_by_one(amounts, seed) -> None:
    held = amounts[amounts.sum(axis=1) > 0]
    found = bootstrap_shares(amounts, draws=50, seed=seed)
    if len(held) < 2:
        assert found is None
        return
    times = np.concatenate(list(resample(len(held), draws=50, seed=seed)))
    assert (times.sum(axis=1) == len(held)).all()
    drawn = np.array([np.repeat(held, row.astype(int), axis=0).sum(axis=0) for row in times])
    drawn = drawn / drawn.sum(axis=1, keepdims=True)
    others = np.array([shares(np.delete(held, i, axis=0)) for i in range(len(held))])
    wanted = one_sample(drawn, shares(held), len(held), ends=(0, 1), skew=jackknife_skewness(others))
    often = ~seldom_held(held)
    np.testing.assert_allclose(np.array(found)[:, often], np.array(wanted)[:, often], atol=1e-12)
    assert (found[0] <= wanted[0]).all()
    assert (found[1] >= wanted[1]).all()
    assert (found[0] >= 0).all()
    assert (found[1] <= 1 + 1e-12).all()
    if (held == held[0]).all():
        np.testing.assert_allclose(found[0], shares(amounts))
        np.testing.assert_allclose(found[1], shares(amounts))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Images whose cover differs (Dirichlet) around a known mean; 95% intervals of few images and of more, 400 times.

    Percentiles of draws held it in 83 of 100 where there are five images.
    """
    rng = np.random.default_rng(0)
    truth = np.array([0.6, 0.3, 0.1])
    for count in (5, 12, 40):
        held = 0
        for trial in range(400):
            ends = bootstrap_shares(rng.dirichlet(8 * truth, count), draws=300, seed=trial)
            assert ends is not None
            held += (ends[0] <= truth) & (truth <= ends[1])
        rate = held / 400
        assert ((rate > 0.92) & (rate < 0.99)).all(), (count, rate)


def simulate(rng: np.random.Generator, images: int, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images of 3 labels mapped with errors, with `points` labelled pixels each; the errors differ by image."""
    truth = rng.dirichlet(6 * np.array([0.5, 0.3, 0.2]), images)
    right = np.array([[0.75, 0.2, 0.05], [0.1, 0.8, 0.1], [0.3, 0.1, 0.6]])  # label to class of the map
    confusion = np.stack([np.stack([rng.dirichlet(30 * row) for row in right]) for _ in range(images)])
    joint = truth[:, :, None] * confusion  # (images, labels, classes)
    counts = np.stack([rng.multinomial(points, cells.ravel()).reshape(3, 3).T for cells in joint])
    return truth, joint.sum(axis=1) * 1000, counts


def test_corrected_cover_is_right_where_the_map_is_wrong() -> None:
    """The truth is the cover that all images of a place would show; points of one image are alike.

    The plain share misses it by far; the corrected one is right, and its interval by images holds it about as often as
    it says. The formula of independent points holds it when points are independent.
    """
    rng = np.random.default_rng(1)
    mean = np.array([0.5, 0.3, 0.2])
    held, raw, corrected = np.zeros(3), [], []
    for trial in range(250):
        _, amounts, counts = simulate(rng, 40, 20)
        ends = bootstrap_calibrated(amounts, np.arange(40), counts, draws=300, seed=trial)
        assert ends is not None
        held += (ends[0] <= mean) & (mean <= ends[1])
        raw.append(shares(amounts))
        corrected.append(calibrate(shares(amounts), counts.sum(axis=0)).share)
    assert np.abs(np.mean(raw, axis=0) - mean).max() > 0.04
    assert np.abs(np.mean(corrected, axis=0) - mean).max() < 0.01
    rate = held / 250
    assert ((rate > 0.89) & (rate < 0.985)).all(), rate


def test_the_formulas_error_is_that_of_points_drawn_by_themselves() -> None:
    rng = np.random.default_rng(2)
    joint = np.array([[0.4, 0.05, 0.05], [0.1, 0.2, 0.0], [0.02, 0.03, 0.15]])  # class of the map, label
    mapped, truth = joint.sum(axis=1), joint.sum(axis=0)
    held = 0
    for _ in range(2000):
        counts = np.stack([rng.multinomial(n, row / row.sum()) for n, row in zip((60, 40, 30), joint, strict=True)])
        found = calibrate(mapped, counts)
        held += np.abs(found.share - truth) <= 1.96 * found.error
    assert ((held / 2000 > 0.92) & (held / 2000 < 0.97)).all(), held / 2000


def test_a_draw_without_points_in_a_class_takes_the_rates_of_all() -> None:
    """One image holds all points of class 1: draws without it must not fall to nothing."""
    counts = np.array([[[5, 0], [0, 0]], [[4, 1], [0, 0]], [[5, 0], [0, 8]]])
    amounts = np.full((3, 2), 10.0)
    ends = bootstrap_calibrated(amounts, np.arange(3), counts, draws=500, seed=0)
    assert ends is not None
    assert 0.3 <= ends[0][1] <= 0.5 < ends[1][1]


def test_the_worked_example_of_olofsson_et_al_2014() -> None:
    """Their section 5: 640 points in four strata of 10,000,000 ha; deforestation is 235,086 +- 68,418 ha."""
    counts = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
    found = calibrate(np.array([200_000, 150_000, 3_200_000, 6_450_000]) / 1e7, counts)
    assert round(float(found.share[0] * 1e7)) == 235_086
    assert round(float(1.96 * found.error[0] * 1e7)) == 68_418


def test_a_site_of_all_images_is_the_whole() -> None:
    rng = np.random.default_rng(3)
    _, amounts, counts = simulate(rng, 30, 20)
    everywhere = np.ones(30, np.bool_)
    whole = bootstrap_calibrated(amounts, np.arange(30), counts, draws=4000, seed=0)
    site = bootstrap_calibrated_site(amounts, np.arange(30), counts, everywhere, draws=4000, seed=1)
    assert whole is not None
    assert site is not None
    np.testing.assert_allclose(site, whole, atol=0.01)


def test_draws_of_a_site_hold_its_images_and_the_labelled_ones_elsewhere() -> None:
    """Stated once more with lists: images of the site among themselves, the others among themselves."""
    rng = np.random.default_rng(4)
    _, amounts, counts = simulate(rng, 20, 10)
    site = np.arange(20) < 8
    labelled = np.array([1, 3, 7, 9, 12, 19])
    found = bootstrap_calibrated_site(amounts, labelled, counts[labelled], site, draws=6000, seed=0)
    drawn = []
    for _ in range(6000):
        own, others = rng.integers(0, 8, 8), rng.integers(8, 20, 12)
        matrix = sum((counts[i] for i in [*own, *others] if i in labelled), np.zeros((3, 3)))
        mapped = amounts[own].sum(axis=0)
        drawn.append((mapped / mapped.sum()) @ (matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)))
    assert found is not None
    mapped, matrix = amounts[:8].sum(axis=0), counts[labelled].sum(axis=0)
    whole = (mapped / mapped.sum()) @ (matrix / matrix.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found, one_sample(np.array(drawn), whole, 6, ends=(0, 1)), atol=0.06)


def test_a_site_of_one_image_has_no_interval() -> None:
    _, amounts, counts = simulate(np.random.default_rng(5), 6, 10)
    alone = np.arange(6) == 2
    assert bootstrap_calibrated_site(amounts, np.arange(6), counts, alone, draws=100, seed=0) is None
    assert bootstrap_calibrated_site(amounts, np.arange(1), counts[:1], ~alone, draws=100, seed=0) is None


def test_corrected_sites_hold_the_truth_about_as_often_as_they_say() -> None:
    """Two places of different cover where a class of the map is the same mix; intervals by the errors of both."""
    rng, held = np.random.default_rng(6), np.zeros(3)
    mapped = np.array([[0.6, 0.25, 0.15], [0.2, 0.3, 0.5]])
    mix = np.array([[0.75, 0.2, 0.05], [0.1, 0.8, 0.1], [0.3, 0.1, 0.6]])  # class of the map to label
    site, truth = np.arange(80) < 40, mapped[0] @ mix
    raw = []
    for trial in range(200):
        amounts = np.stack([rng.dirichlet(8 * mapped[0 if own else 1]) for own in site])
        joint = amounts[:, :, None] * mix
        counts = np.stack([rng.multinomial(20, cells.ravel()).reshape(3, 3) for cells in joint])
        ends = bootstrap_calibrated_site(amounts, np.arange(80), counts, site, draws=300, seed=trial)
        assert ends is not None
        held += (ends[0] <= truth) & (truth <= ends[1])
        raw.append(shares(amounts[site]))
    assert np.abs(np.mean(raw, axis=0) - truth).max() > 0.04
    rate = held / 200
    assert ((rate > 0.87) & (rate < 0.99)).all(), rate
