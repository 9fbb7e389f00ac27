"""Measures of features: exact answers of planted data, and scikit-learn's."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import adjusted_rand_score

from segpipe.commands.doctor import health_measures as measures

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def squares(count: int, side: int) -> tuple[Float64, Int64]:
    """Places and images of so many square grids."""
    row, col = np.mgrid[:side, :side]
    one = (np.stack([row.ravel(), col.ravel()], axis=1) + 0.5) / side
    return np.tile(one, (count, 1)), np.repeat(np.arange(count), side * side)


def test_the_first_component_of_planted_variances() -> None:
    variances = np.array([6.0, 2.0, 1.0, 0.5, 0.5])
    signs = np.array([[(-1.0) ** (i >> bit) for bit in range(5)] for i in range(32)])  # orthogonal columns, variance 1
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    features = 3 + signs * np.sqrt(variances) @ turn
    assert measures.variance_shares(features, (1, 2, 8)) == pytest.approx((0.6, 0.8, 1.0))


def test_shares_are_those_of_scikit_learn() -> None:
    features = np.random.default_rng(1).normal(size=(300, 20)) * np.linspace(1, 4, 20)
    ratios = PCA().fit(features).explained_variance_ratio_
    assert measures.variance_shares(features, (1, 8)) == pytest.approx((ratios[0], ratios[:8].sum()))


def test_what_does_not_vary_has_no_shares() -> None:
    assert measures.variance_shares(np.ones((10, 3)), (1, 8)) == (0.0, 0.0)


def test_features_that_follow_from_the_place() -> None:
    places, images = squares(10, 12)
    smooth = np.stack([places[:, 0], places[:, 1] ** 2, places[:, 0] * places[:, 1]], axis=1)
    assert measures.position_share(smooth, places, images) > 0.98


def test_random_features_and_features_of_the_image_do_not() -> None:
    places, images = squares(10, 12)
    rng = np.random.default_rng(0)
    assert abs(measures.position_share(rng.normal(size=(len(images), 6)), places, images)) < 0.03
    of_image = rng.normal(size=(10, 6))[images]
    assert measures.position_share(of_image, places, images) < 0.01


def test_half_place_half_noise() -> None:
    places, images = squares(40, 12)
    wave = np.sqrt(2) * np.cos(np.pi * places[:, :1])  # variance 1
    features = wave + np.random.default_rng(0).normal(size=(len(images), 1))
    assert measures.position_share(features, places, images) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("count", [2, 7])
def test_it_is_ridge_regression_of_unseen_images(count: int) -> None:
    places, images = squares(count, 6)
    rng = np.random.default_rng(2)
    features = rng.normal(size=(len(images), 4)) + 2 * places[:, :1]
    columns = [
        np.cos(np.pi * i * places[:, 0]) * np.cos(np.pi * j * places[:, 1])
        for i in range(measures.WAVES + 1)
        for j in range(measures.WAVES + 1)
        if i or j
    ]
    x, fold = np.stack(columns, axis=1), images % measures.FOLDS
    missed = total = 0.0
    for part in np.unique(fold):
        known = fold != part
        model = Ridge(alpha=1.0).fit(x[known], features[known])
        missed += np.square(features[~known] - model.predict(x[~known])).sum()
        total += np.square(features[~known] - features[known].mean(axis=0)).sum()
    assert measures.position_share(features, places, images) == pytest.approx(1 - missed / total)


def test_a_single_image_predicts_no_other() -> None:
    places, images = squares(1, 4)
    with pytest.raises(ValueError, match="one image"):
        measures.position_share(np.ones((16, 2)), places, images)


def test_planted_outliers_are_counted() -> None:
    norms = np.random.default_rng(0).normal(50, 3, 10_000)
    assert measures.outlier_share(norms) == 0
    norms[:37] = 50 + 3 * 8
    assert measures.outlier_share(norms) == 37 / 10_000


def test_a_token_that_is_short_and_norms_that_are_equal_are_no_outliers() -> None:
    assert measures.outlier_share(np.array([5.0] * 100)) == 0
    assert measures.outlier_share(np.array([5.0, 5.00000001] * 50)) == 0
    assert measures.outlier_share(np.array([5.0, 5.1] * 50 + [0.0])) == 0


def test_codes_are_unit_rows_in_which_no_component_outweighs_the_others() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 12)) * np.array([100.0, *[1.0] * 11])
    plain, even = (measures.unit_codes(features, whiten=whiten) for whiten in (False, True))
    for codes in (plain, even):
        assert np.allclose(np.linalg.norm(codes, axis=1), 1, atol=1e-5)
    assert np.square(plain[:, 0]).mean() > 0.9
    assert np.square(even[:, 0]).mean() < 0.3


def test_agreement_by_other_means() -> None:
    """Eight groups far apart: scikit-learn's k-means finds the same classes, and its Rand index the same score."""
    rng = np.random.default_rng(3)
    centers = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    label = rng.integers(8, size=2000)
    points = centers[label] + 0.02 * rng.normal(size=(2000, 8))
    codes = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    queries = np.arange(1000)
    partners = np.array([rng.choice(np.flatnonzero(label == label[q])) for q in queries])
    partners[:100] = rng.integers(2000, size=100)
    found = KMeans(8, n_init=3, random_state=0).fit_predict(codes)
    shares = np.bincount(np.concatenate([found[queries], found[partners]])) / 2000
    expected = adjusted_rand_score(found[queries], found[partners]) * np.sqrt(-(shares * np.log(shares)).sum())
    many = measures.class_agreement(codes, queries, partners, seed=0, classes=(8,))
    assert many == pytest.approx(expected, abs=1e-6)


def test_codes_that_say_nothing_agree_no_more_than_by_chance() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3000, 6)).astype(np.float32)
    codes = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    queries, partners = np.arange(1500), rng.integers(3000, size=1500)
    assert abs(measures.class_agreement(codes, queries, partners, seed=0)) < 0.02


def test_classes_of_corners_are_told_and_those_of_what_lives_anywhere_are_not() -> None:
    """Patches of a frame's corners have a direction of their own; the others have one of 15 at random places."""
    rng, side, images = np.random.default_rng(0), 8, 20
    places = np.stack(np.meshgrid(*[(np.arange(side) + 0.5) / side] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    corner = (np.abs(places - 0.5) > 0.4).all(axis=1)
    for wanted, special in ((1, corner), (0, np.zeros(side**2, bool))):
        kinds = np.stack([np.where(special, 15, rng.integers(0, 15, side**2)) for _ in range(images)])
        codes = np.eye(16, dtype=np.float32)[kinds.ravel()]
        owner = np.repeat(np.arange(images), side**2)
        found = measures.fixed_classes(codes, np.tile(places, (images, 1)), owner, seed=0)
        assert found == wanted
