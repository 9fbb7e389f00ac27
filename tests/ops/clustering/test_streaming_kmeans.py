import numpy as np
import pytest
from sklearn.cluster import KMeans

from segpipe.ops.clustering import streaming_kmeans as passes


def units(seed: int, count: int, dim: int = 6) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def refine(blocks: list[np.ndarray], centers: np.ndarray, *, steps: int) -> tuple[np.ndarray, passes.ClusterCounts]:
    found = passes.add_counts((passes.count_block(block, centers) for block in blocks), centers)
    for _ in range(steps):
        centers = passes.move_centers(centers, found)
        found = passes.add_counts((passes.count_block(block, centers) for block in blocks), centers)
    return centers, found


def test_members_are_those_of_plain_loops() -> None:
    vectors, centers = units(0, 300) * 3, np.concatenate([units(1, 5), -np.eye(1, 6, dtype=np.float32)])
    vectors[[3, 40]] = 0  # no direction
    centers[5] = centers[4]  # the first of equal ones gets all
    found = passes.count_block(vectors, centers)
    sums, sizes, total = np.zeros((6, 6)), [0] * 6, 0.0
    for vector in vectors.astype(float):
        length = np.sqrt(sum(x * x for x in vector))
        if length:
            cosines = [sum(x * y for x, y in zip(vector, center, strict=True)) / length for center in centers[:5]]
            best = int(np.argmax(cosines))
            sums[best] += vector / length
            sizes[best] += 1
            total += cosines[best]
    assert found.sizes.tolist() == sizes
    assert found.sizes.sum() == 298
    np.testing.assert_allclose(found.sums, sums, atol=1e-5)
    assert found.inertia == pytest.approx(total / 298, abs=1e-6)
    assert (found.means[5] == 0).all()


def test_nothing_but_zeros_has_no_members() -> None:
    found = passes.count_block(np.zeros((4, 3), np.float32), np.eye(3, dtype=np.float32))
    assert (found.sizes.tolist(), found.inertia) == ([0, 0, 0], 0)


@pytest.mark.parametrize("cuts", [[], [7, 100, 101]])
def test_settling_in_blocks_is_lloyds_algorithm(cuts: list[int]) -> None:
    vectors, first = units(2, 400), units(3, 8)
    centers = first.astype(float)
    for _ in range(4):  # the plain way, all at once
        labels = (vectors.astype(float) @ centers.T).argmax(axis=1)
        for label in np.unique(labels):
            centers[label] = vectors[labels == label].sum(axis=0)
        centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    blocks = np.split(vectors, cuts)
    found, members = refine(blocks, first, steps=4)
    np.testing.assert_allclose(found, centers, atol=1e-5)
    assert members.sizes.sum() == 400


def test_more_passes_are_tighter_and_end_where_scikit_learn_ends() -> None:
    vectors, first = units(4, 2000), units(5, 10)
    found = [refine([vectors], first, steps=n)[1].inertia for n in (0, 2, 60)]
    assert found == sorted(found)
    theirs = KMeans(10, init=first, n_init=1, max_iter=300).fit(vectors)
    sums = np.stack([vectors[theirs.labels_ == i].sum(0) for i in range(10)])
    assert found[-1] > np.linalg.norm(sums, axis=1).sum() / 2000 - 0.01


def test_the_result_does_not_depend_on_threads_and_an_empty_center_stays() -> None:
    vectors = np.abs(units(6, 200_000))
    first = np.concatenate([np.abs(units(7, 4)), -np.full((1, 6), 6**-0.5, np.float32)])
    one, many = (passes.count_all(vectors, first, workers=workers) for workers in (1, 3))
    np.testing.assert_array_equal(one.sums, many.sums)
    assert one.inertia == many.inertia
    assert one.sizes.sum() == 200_000
    np.testing.assert_array_equal(passes.move_centers(first, one)[4], first[4])
    assert one.sizes[4] == 0
