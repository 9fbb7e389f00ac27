"""Which way to cluster a corpus bears: a planted corpus for each answer."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from segpipe.ops.draws import some
from segpipe.parts.choosing import Ways, agreement, rehearse
from segpipe.records.clusters import ClusterTree

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def pooled(sizes: list[int], *, noise: float, images: int = 12) -> tuple[ClusterTree, np.ndarray]:
    """Unit vectors around orthogonal directions, `sizes` of each, spread evenly over images."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.eye(12)[labels] + noise * rng.normal(size=(len(labels), 12))
    units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    owners = rng.integers(images, size=len(labels)).astype(np.int32)
    empty = np.empty((0, 4))
    centers, counts = np.eye(1, 12, dtype=np.float32), np.array([len(labels)])
    return ClusterTree(centers, counts, empty, 1.0, (1.0,), units, owners, len(labels), len(labels), ""), labels


def test_what_both_ways_find_is_found_again() -> None:
    tree, _ = pooled([300] * 5, noise=0.1)
    marks = rehearse(tree, Ways(5, 20), seed=0, workers=2)
    assert marks == {"tree": 1, "kmeans": 1}
    assert rehearse(tree, Ways(5, 20), seed=0, workers=1) == marks


def test_kmeans_is_found_again_less_where_one_class_is_huge() -> None:
    """k-means has room left to split it, and splits it anyhow."""
    tree, labels = pooled([6000, 150, 150, 150], noise=0.25)
    marks = rehearse(tree, Ways(6, 60), seed=0, workers=2)
    assert marks["tree"] > marks["kmeans"] + 0.2
    centers, members = Ways(6, 60).tree(tree.pool.astype(np.float32), 0)
    found = members[(tree.pool.astype(np.float32) @ centers.T).argmax(axis=1)]
    assert adjusted_rand_score(labels, found) > 0.8


def test_agreement_is_one_only_where_both_halves_say_the_same() -> None:
    tree, _ = pooled([400] * 4, noise=0.1)
    units, ways = tree.pool.astype(np.float32), Ways(4, 20)
    assert agreement(units, tree.owners, ways.tree, np.random.default_rng(0)) == 1

    def split(units: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        centers, members = ways.tree(units, seed)
        return centers, np.where(members == seed % 4, (members + 1) % 4, members)  # two of the four become one

    marks = [agreement(units, tree.owners, split, np.random.default_rng(i)) for i in range(8)]
    assert min(marks) < 0.5  # where they join other pairs


def test_some_is_even_rising_and_without_repeats() -> None:
    rng = np.random.default_rng(0)
    assert some(5, 9, rng).tolist() == [0, 1, 2, 3, 4]
    drawn = [some(10, 3, rng) for _ in range(3000)]
    assert all((np.diff(rows) > 0).all() for rows in drawn)
    np.testing.assert_allclose(np.bincount(np.concatenate(drawn), minlength=10) / 3000, 0.3, atol=0.04)
