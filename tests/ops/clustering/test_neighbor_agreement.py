"""Neighbor agreement: nearest patches by brute force, and the order of codes whose worth is known."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score

from segpipe.ops.clustering.neighbor_agreement import (
    agreement,
    find_partners,
    nearest_elsewhere,
    pair_agreement,
    weighted_agreement,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_nearest_elsewhere_is_the_largest_cosine_outside_the_group() -> None:
    rng = np.random.default_rng(0)
    features, groups = rng.normal(size=(700, 5)), rng.integers(6, size=700)
    queries = np.sort(rng.choice(700, 600, replace=False))
    found = nearest_elsewhere(features, queries, groups)
    for query, row in zip(queries, found, strict=True):
        cosines = [
            a @ features[query] / np.linalg.norm(a) if g != groups[query] else -9
            for a, g in zip(features, groups, strict=True)
        ]
        assert row == int(np.argmax(cosines))


def test_one_group_has_nothing_elsewhere() -> None:
    with pytest.raises(ValueError, match="one group"):
        nearest_elsewhere(np.eye(3), np.arange(3), np.zeros(3, np.int64))


def test_codes_that_say_the_same_of_partners_agree_and_others_do_not() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(12, size=4000)
    queries = np.arange(2000)
    partners = np.array([rng.choice(np.flatnonzero(labels == labels[q])) for q in queries])
    directions = np.linalg.qr(rng.normal(size=(16, 16)))[0][:12]
    noise = rng.normal(size=(4000, 16)) / 4
    good, worse, random = (a * directions[labels] + b * noise for a, b in ((1, 0.3), (1, 1.5), (0, 1)))
    marks = [agreement(codes, queries, partners, seed=0) for codes in (good, worse, random)]
    assert marks[0] > 0.8 > marks[1] + 0.05
    assert marks[1] > marks[2] + 0.2
    assert marks[2] < 0.1
    assert agreement(good, queries, partners, seed=0) == marks[0]


def test_pair_agreement_is_one_for_equal_classes_and_zero_for_one_class() -> None:
    classes = np.array([0, 0, 1, 2, 2])
    assert pair_agreement(classes, classes + 3) == 1
    assert pair_agreement(np.zeros(5, np.int64), classes) == 0
    assert pair_agreement(np.zeros(5, np.int64), np.zeros(5, np.int64)) == 0


def test_partners_do_not_depend_on_the_mean_nor_on_what_varies_least() -> None:
    rng = np.random.default_rng(3)
    groups, queries = rng.integers(5, size=900), np.arange(0, 900, 2)
    shown = rng.normal(size=(900, 64))
    hidden = np.concatenate([1000 + shown, 1e-3 * rng.normal(size=(900, 16))], axis=1)
    turned = hidden @ np.linalg.qr(rng.normal(size=(80, 80)))[0]
    expected = nearest_elsewhere(shown - shown.mean(0), queries, groups)
    assert (find_partners(turned, queries, groups) == expected).mean() > 0.99


def test_weighted_agreement_is_scipys_entropy_and_sklearns_rand_index() -> None:
    rng = np.random.default_rng(4)
    ours = rng.choice(5, size=400, p=[0.6, 0.2, 0.1, 0.05, 0.05])
    theirs = np.where(rng.random(400) < 0.7, ours, rng.integers(5, size=400))
    shares = np.bincount(np.concatenate([ours, theirs]))
    expected = adjusted_rand_score(ours, theirs) * entropy(shares) ** 0.5
    assert weighted_agreement(ours, theirs) == pytest.approx(expected)
    assert weighted_agreement(np.zeros(9, np.int64), np.zeros(9, np.int64)) == 0


def test_codes_that_are_all_the_same_tell_nothing() -> None:
    queries, partners = np.arange(10), np.arange(10, 20)
    for codes in (np.ones((30, 4)), np.zeros((30, 4))):
        assert agreement(codes, queries, partners, seed=0) == 0
