import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from segpipe.ops.clustering.guided import (
    GuidedClusters,
    constrained_linkage,
    fit_sharpness,
    guide_clusters,
    label_scores,
    split_clusters,
)
from segpipe.ops.clustering.knn import unit_rows


def around(*angles: float, count: int = 40, spread: float = 0.05, seed: int = 0) -> np.ndarray:
    """Unit vectors in the plane around directions given in degrees."""
    rng = np.random.default_rng(seed)
    at = np.concatenate([np.deg2rad(a) + spread * rng.standard_normal(count) for a in angles])
    return np.stack([np.cos(at), np.sin(at)], 1).astype(np.float32)


def direction(*angles: float) -> np.ndarray:
    return np.stack([np.cos(np.deg2rad(angles)), np.sin(np.deg2rad(angles))], 1).astype(np.float32)


def nearest(vectors: np.ndarray, found: GuidedClusters) -> np.ndarray:
    return found.members[(vectors @ found.centers.T).argmax(1)]


def test_without_labels_that_bind_it_is_scipys_average_linkage() -> None:
    units = unit_rows(np.random.default_rng(1).standard_normal((40, 5)))[0].astype(np.float64)
    owner = np.full(40, -1)
    owner[0] = 0  # one label alone forbids nothing
    for k in (1, 3, 7, 40):
        groups = constrained_linkage(units, np.ones(40, np.int64), owner, k=k, cosine=0)
        first, second = np.triu_indices(40, 1)
        expected = fcluster(linkage(1 - (units @ units.T)[first, second], "average"), k, "maxclust")
        assert len(np.unique(groups)) == k
        assert len(np.unique(np.stack([groups, expected]), axis=1).T) == k  # the same partition
        assert groups[0] == 0


def test_labels_link_what_is_far_and_part_what_is_near() -> None:
    means = direction(0, 90, 5, 180, 185).astype(np.float64)
    groups = constrained_linkage(means, np.ones(5, np.int64), np.array([0, 0, 1, -1, -1]), k=3, cosine=0)
    assert groups.tolist() == [0, 0, 1, 2, 2]  # the nearest pair, 0 and 5 degrees, stays apart
    groups = constrained_linkage(means, np.ones(5, np.int64), np.array([0, 0, 1, -1, -1]), k=1, cosine=0)
    assert set(groups.tolist()) == {0, 1}  # never fewer than the labels
    groups = constrained_linkage(means, np.ones(5, np.int64), np.array([0, 0, 1, -1, -1]), k=None, cosine=0.5)
    assert groups.tolist() == [0, 0, 1, 2, 2]  # two unlabelled things alike are merged, nothing else is


def test_a_small_cluster_with_points_of_two_labels_is_cut_between_them() -> None:
    pool = np.concatenate([around(-20, 20), around(180)])
    points, labels = direction(-18, 22), np.array([0, 1])
    centers, owner = split_clusters(direction(0, 180), pool, points, labels)
    assert owner.tolist() == [0, 1, -1]
    angles = np.rad2deg(np.arctan2(centers[:, 1], centers[:, 0]))
    np.testing.assert_allclose(angles[:2], [-20, 20], atol=4)
    np.testing.assert_array_equal(centers[2], direction(180)[0])
    found = guide_clusters(direction(0, 180), pool, points, labels, k=3, cosine=0)
    assert nearest(direction(-20, 20, 180), found).tolist() == [0, 1, 2]
    assert found.sizes.tolist() == [40, 40, 40]


def test_what_has_no_label_stays_a_class_of_its_own_while_there_is_room() -> None:
    pool = around(0, 60, 180, 240)
    centers, points, labels = direction(0, 60, 180, 240), direction(2, 58), np.array([0, 1])
    for k, classes in ((4, 4), (3, 3), (2, 2)):
        found = guide_clusters(centers, pool, points, labels, k=k, cosine=0)
        assert len(found.sizes) == classes
        assert nearest(direction(0, 60), found).tolist() == [0, 1]
        if k > 2:
            assert (nearest(direction(180, 240), found) >= 2).all()
    with pytest.raises(ValueError, match="1 classes cannot hold 2 labels"):
        guide_clusters(centers, pool, points, labels, k=1, cosine=0)


def test_the_result_is_the_same_every_time_and_labels_may_cancel() -> None:
    pool, centers = around(0, 90, 180, 270), direction(0, 90, 180, 270)
    points, labels = direction(0, 180, 90), np.array([0, 0, 1])  # label 0 has no mean direction
    first, second = (guide_clusters(centers, pool, points, labels, k=2, cosine=0) for _ in range(2))
    np.testing.assert_array_equal(first.centers, second.centers)
    assert nearest(points, first).tolist() == [0, 0, 1]
    assert np.isfinite(first.centers).all()


def test_a_common_label_takes_what_lies_between() -> None:
    points, labels = np.concatenate([around(0, count=20), around(60, count=20)]), np.repeat([0, 1], 20)
    pool = np.concatenate([around(0, count=900), around(60, count=10)])
    directions = direction(0, 60)
    common, even = (label_scores(directions, p, points, labels, direction(30)) for p in (pool, around(0, 60)))
    assert common[0, 0] > common[0, 1] + 0.5
    assert abs(even[0, 0] - even[0, 1]) < 0.2


def test_sharpness_follows_how_far_labels_are_apart() -> None:
    clear = np.concatenate([around(0, count=20), around(90, count=20)])
    mixed = np.concatenate([around(0, count=20, spread=1), around(20, count=20, spread=1)])
    labels = np.repeat([0, 1], 20)
    assert fit_sharpness(clear, labels) == 32
    assert fit_sharpness(mixed, labels) < 8
    assert fit_sharpness(direction(0, 90), np.array([0, 1])) == 8  # nothing to leave out
