"""The probes against slow plain-numpy statements of their formulas."""

import numpy as np

from segpipe.base.geometry import Box, Size, plan_grid
from segpipe.ops.clustering.kmeans import spherical_kmeans
from segpipe.ops.maps.segment import CropCodes, classify
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.metrics.probes import NEIGHBORS, knn_probe, linear_probe


def data(seed: int, *, classes: int = 4, dim: int = 6, each: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(classes, dim)) * 2
    labels = np.repeat(np.arange(classes), each)
    return middles[labels] + rng.normal(size=(len(labels), dim)), labels


def softmax(rows: np.ndarray) -> np.ndarray:
    return np.array([[np.exp(v - max(row)) / sum(np.exp(w - max(row)) for w in row) for v in row] for row in rows])


def test_the_linear_probe_is_softmax_regression_at_its_minimum() -> None:
    vectors, labels = data(0)
    probe = linear_probe().fit(vectors, labels)
    scale, regression = probe[0], probe[1]
    # standardised inputs, p = softmax(W x + b)
    inputs = np.array([(row - vectors.mean(0)) / vectors.std(0) for row in vectors])
    np.testing.assert_allclose(scale.transform(vectors), inputs, atol=1e-5)
    probabilities = softmax(inputs @ regression.coef_.T + regression.intercept_)
    np.testing.assert_allclose(probe.predict_proba(vectors), probabilities, atol=1e-5)
    # gradient of sum of cross entropies + 1/2 |W|^2, C = 1: at the minimum it is nothing beside its first size
    wrong = probabilities - np.eye(4)[labels]
    gradient = sum(np.outer(w, x) for w, x in zip(wrong, inputs, strict=True)) + regression.coef_
    first = sum(np.outer(0.25 - np.eye(4)[label], x) for label, x in zip(labels, inputs, strict=True))
    assert abs(gradient).max() < 0.01 * abs(first).max()


def test_the_knn_probe_is_a_vote_of_the_largest_cosines() -> None:
    vectors, labels = data(1)
    queries, _ = data(2, each=10)
    found = knn_probe().fit(vectors, labels).predict_proba(queries)
    for query, row in zip(queries, found, strict=True):
        cosines = [query @ v / np.sqrt(query @ query) / np.sqrt(v @ v) for v in vectors]
        nearest = sorted(range(len(vectors)), key=lambda i: -cosines[i])[:NEIGHBORS]
        votes = np.bincount(labels[nearest], minlength=4) / NEIGHBORS
        np.testing.assert_allclose(row, votes, atol=1e-5)


def test_clusters_are_a_minimum_of_the_published_cluster_probe() -> None:
    """Loss of the cluster probe: minus the mean over vectors of the largest cosine to a center."""
    vectors, _ = data(3, each=60)
    found = spherical_kmeans(vectors, k=4, restarts=3, iterations=100, seed=0)
    units = vectors / np.sqrt((vectors**2).sum(1, keepdims=True))
    cosines = np.array([[u @ c for c in found.centers.astype(float)] for u in units])
    assert abs(found.inertia - cosines.max(1).mean()) < 1e-5
    for i, center in enumerate(found.centers):  # where the gradient vanishes a center points along its members' sum
        total = sum(u for u, row in zip(units, cosines, strict=True) if row.argmax() == i)
        np.testing.assert_allclose(center, total / np.sqrt(total @ total), atol=1e-5)


def test_class_probabilities_are_the_softmax_of_twice_the_cosines() -> None:
    rng = np.random.default_rng(4)
    grid = plan_grid(Size(8, 12), side=10, patch=2)
    codes, centers = rng.normal(size=(grid.rows, grid.cols, 5)), rng.normal(size=(3, 5))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    size = Size(8, 12)
    found = classify(CropCodes([codes], [grid], [Box(0, 0, 8, 12)]), SegmentConfig(centers), image=size, out=size)
    ys, xs = grid.patch_positions(size)
    for i, y in enumerate(ys):
        for j, x in enumerate(xs):
            py, px = min(max(y, 0), grid.rows - 1), min(max(x, 0), grid.cols - 1)
            r, c = min(int(py), grid.rows - 2), min(int(px), grid.cols - 2)
            wy, wx = py - r, px - c
            code = (1 - wy) * ((1 - wx) * codes[r, c] + wx * codes[r, c + 1])
            code += wy * ((1 - wx) * codes[r + 1, c] + wx * codes[r + 1, c + 1])
            cosines = centers @ code / np.sqrt(code @ code)
            np.testing.assert_allclose(found[:, i, j], softmax(2 * cosines[None])[0], atol=1e-5)
