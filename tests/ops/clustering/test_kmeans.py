import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from segpipe.ops.clustering import kmeans


def blobs(
    rng: np.random.Generator, sizes: list[int], dim: int = 8, spread: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    directions = np.linalg.qr(rng.normal(size=(dim, dim)))[0][: len(sizes)]
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors = directions[labels] + spread * rng.normal(size=(len(labels), dim))
    return (vectors * rng.uniform(0.1, 10, (len(labels), 1))).astype(np.float32), labels


def test_separate_blobs_are_found_largest_first() -> None:
    vectors, labels = blobs(np.random.default_rng(0), [40, 400, 200])
    found = kmeans.spherical_kmeans(vectors, k=3, restarts=3, iterations=20, seed=0)
    assert found.sizes.tolist() == [400, 200, 40]
    units, _ = kmeans.unit_rows(vectors)
    assigned, cosines = kmeans.assign(units, found.centers)
    assert adjusted_rand_score(labels, assigned) == 1
    assert found.inertia == pytest.approx(cosines.mean(), abs=1e-6)
    assert found.inertia == max(found.restarts)
    for label in range(3):  # a spherical center is the direction of its members' sum
        total = units[assigned == label].sum(0)
        np.testing.assert_allclose(found.centers[label], total / np.linalg.norm(total), atol=1e-4)


def test_as_tight_as_scikit_learn_on_unit_rows() -> None:
    rng = np.random.default_rng(1)
    units, _ = kmeans.unit_rows(rng.normal(size=(1500, 6)))
    ours = kmeans.spherical_kmeans(units, k=12, restarts=4, iterations=100, seed=0, workers=2)
    theirs = KMeans(12, n_init=4, random_state=0).fit(units)
    sums = np.stack([units[theirs.labels_ == i].sum(0) for i in range(12)])
    their_inertia = np.linalg.norm(sums, axis=1).sum() / len(units)  # mean cosine to the best unit centers
    assert ours.inertia > their_inertia - 0.004
    assert len(ours.restarts) == 4


def test_the_result_does_not_depend_on_threads() -> None:
    import faiss

    vectors = np.random.default_rng(2).normal(size=(5000, 24)).astype(np.float32)
    before = faiss.omp_get_max_threads()
    one, many = (
        kmeans.spherical_kmeans(vectors, k=9, restarts=4, iterations=15, seed=3, workers=workers) for workers in (1, 4)
    )
    np.testing.assert_array_equal(one.centers, many.centers)
    assert one.restarts == many.restarts
    assert faiss.omp_get_max_threads() == before


def test_all_points_count_however_many_there_are() -> None:
    vectors, _ = blobs(np.random.default_rng(3), [3000, 2000])  # FAISS alone would take 512 of them
    assert kmeans.spherical_kmeans(vectors, k=2, restarts=1, iterations=10, seed=0).sizes.sum() == 5000


@pytest.mark.parametrize("rows", [1, 2, 7, 10_000])
def test_fewer_distinct_vectors_than_clusters(rows: int) -> None:
    directions = np.eye(4, dtype=np.float32)[:2]
    vectors = directions[np.arange(rows) % 2] * np.linspace(1, 5, rows)[:, None]
    found = kmeans.spherical_kmeans(vectors, k=5, restarts=2, iterations=5, seed=0)
    assert len(found.centers) == min(rows, 2)
    assert found.sizes.sum() == rows
    assert found.inertia == pytest.approx(1, abs=1e-6)


def test_zero_vectors_are_left_out_and_nothing_else_is_one_cluster() -> None:
    vectors, _ = blobs(np.random.default_rng(4), [30, 20])
    vectors[:5] = 0
    assert kmeans.spherical_kmeans(vectors, k=2, restarts=1, iterations=5, seed=0).sizes.sum() == 45
    found = kmeans.spherical_kmeans(vectors[:5], k=2, restarts=2, iterations=5, seed=0)
    assert found.sizes.tolist() == [5]
    assert np.linalg.norm(found.centers, axis=1).tolist() == [1]


def test_not_finite_is_refused() -> None:
    vectors = np.ones((4, 2), np.float32)
    vectors[2, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        kmeans.spherical_kmeans(vectors, k=2, restarts=1, iterations=1, seed=0)


def test_principal_components_of_blocks_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(500, 7)) * np.arange(1, 8) + 3
    moments = kmeans.Moments(7)
    for block in np.array_split(vectors, 6):
        moments.add(block)
    mean, components = moments.principal_components(4)
    theirs = PCA(4).fit(vectors)
    np.testing.assert_allclose(mean, theirs.mean_, atol=1e-5)
    np.testing.assert_allclose(np.abs((components * theirs.components_).sum(1)), 1, atol=1e-5)
    assert (np.take_along_axis(components, np.abs(components).argmax(1)[:, None], 1) > 0).all()
    variances = PCA().fit(vectors).explained_variance_ * 499 / 500
    _, whitened = moments.principal_components(4, whiten=2)
    np.testing.assert_allclose(np.linalg.norm(whitened, axis=1), (variances[:4] + variances[2]) ** -0.5, rtol=1e-5)
    np.testing.assert_allclose(whitened / np.linalg.norm(whitened, axis=1, keepdims=True), components, atol=1e-5)
    _, most = moments.principal_components(9, whiten=99)
    np.testing.assert_allclose(np.linalg.norm(most, axis=1), (variances + variances[-1]) ** -0.5, rtol=1e-5)
    with pytest.raises(ValueError, match="no vectors"):
        kmeans.Moments(3).principal_components(2)
