from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.ops.clustering import knn
from segpipe.ops.clustering.neighbor_search import NeighborSearch
from segpipe.records.pairs import PairIndex


def search(vectors: np.ndarray, *, workers: int = 1, **options: Any) -> PairIndex:
    whole = NeighborSearch(vectors, **options)
    return whole.join(whole.some(range(len(whole.blocks)), workers=workers))


def brute(vectors: np.ndarray, groups: np.ndarray, k: int) -> list[list[tuple[float, int]]]:
    """For each row (score, index) of its k best, by plain loops in double precision."""
    lengths = [np.sqrt(sum(float(v) ** 2 for v in row)) for row in vectors]
    shows = [bool(np.isfinite(length) and length > 0) for length in lengths]
    best = []
    for i in range(len(vectors)):
        found = []
        for j in range(len(vectors)):
            if shows[i] and shows[j] and groups[i] != groups[j]:
                cosine = sum(float(a) * float(b) for a, b in zip(vectors[i], vectors[j], strict=True))
                found.append((cosine / lengths[i] / lengths[j], j))
        best.append(sorted(found, key=lambda item: (-item[0], item[1]))[:k])
    return best


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_search_agrees_with_brute_force(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 24))
    kinds = st.sampled_from(["new", "copy", "zero", "nan", "inf", "scaled"])
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    vectors = rng.normal(size=(n, 3)).astype(np.float32)
    for i in range(1, n):
        match data.draw(kinds):
            case "copy":
                vectors[i] = vectors[i - 1]
            case "scaled":
                vectors[i] = 4 * vectors[i // 2]
            case "zero":
                vectors[i] = 0
            case "nan":
                vectors[i, 1] = np.nan
            case "inf":
                vectors[i, 2] = np.inf
    groups = np.sort(rng.integers(data.draw(st.integers(1, n)), size=n)) if data.draw(st.booleans()) else np.arange(n)
    _, blank = knn.unit_rows(vectors)
    k = data.draw(st.integers(0, knn.available(groups, blank)))
    pairs = search(vectors, k=k, groups=groups, workers=2)
    assert pairs.neighbors.shape == (n, k)
    for i, expected in enumerate(brute(vectors, groups, k)):
        if blank[i]:
            assert (pairs.scores[i] == 0).all()
            assert not blank[pairs.neighbors[i]].any()
            continue
        assert len(set(pairs.neighbors[i])) == k
        assert all(groups[j] != groups[i] for j in pairs.neighbors[i])
        np.testing.assert_allclose(pairs.scores[i], [score for score, _ in expected], atol=1e-6)


def test_equal_vectors_come_by_index_however_many_there_are() -> None:
    vectors = np.ones((50, 4), np.float32)
    pairs = search(vectors, k=3)
    assert pairs.neighbors[0].tolist() == [1, 2, 3]
    assert pairs.neighbors[1].tolist() == [0, 2, 3]
    assert (np.abs(pairs.scores - 1) < 1e-6).all()


def test_a_row_is_never_its_own_neighbor_when_a_twin_comes_first() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    vectors[4] = vectors[1]
    pairs = search(vectors, k=2)
    assert pairs.neighbors[1, 0] == 4
    assert pairs.neighbors[4, 0] == 1


def test_too_large_k_is_refused() -> None:
    vectors = np.eye(5, dtype=np.float32)
    vectors[4] = 0
    with pytest.raises(ValueError, match="only 3"):
        search(vectors, k=4)
    assert search(vectors[:1], k=0).neighbors.shape == (1, 0)


def test_the_result_does_not_depend_on_threads() -> None:
    import faiss

    vectors = np.random.default_rng(1).normal(size=(3000, 33)).astype(np.float32)
    vectors[1000:1100] = vectors[0]
    before = faiss.omp_get_max_threads()
    results = [search(vectors, k=5, workers=workers) for workers in (1, 3)]
    np.testing.assert_array_equal(results[0].neighbors, results[1].neighbors)
    np.testing.assert_array_equal(results[0].scores, results[1].scores)
    assert faiss.omp_get_max_threads() == before


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_searches_find_nearly_all(kind: knn.Kind) -> None:
    rng = np.random.default_rng(2)
    centers = rng.normal(size=(40, 16))
    vectors = (centers[rng.integers(40, size=2000)] + 0.3 * rng.normal(size=(2000, 16))).astype(np.float32)
    exact, found = (search(vectors, k=5, kind=name, workers=2) for name in ("exact", kind))
    hits = [len(set(a) & set(b)) for a, b in zip(exact.neighbors, found.neighbors, strict=True)]
    assert np.mean(hits) > 4.7


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_what_an_approximate_search_leaves_short_is_searched_exactly(kind: knn.Kind) -> None:
    vectors = np.random.default_rng(3).normal(size=(30, 4)).astype(np.float32)
    groups = np.repeat([0, 1], [25, 5])  # rows of group 0 have only five candidates
    exact, found = (search(vectors, k=5, groups=groups, kind=name) for name in ("exact", kind))
    np.testing.assert_array_equal(exact.neighbors, found.neighbors)


def test_blocks_searched_one_by_one_are_the_whole() -> None:
    vectors = np.random.default_rng(4).normal(size=(2100, 5)).astype(np.float32)
    vectors[7] = 0
    groups = np.arange(2100) // 3
    whole, again = NeighborSearch(vectors, k=4, groups=groups), NeighborSearch(vectors, k=4, groups=groups)
    assert len(whole.blocks) == 4
    assert sorted(np.concatenate(whole.blocks).tolist()) == [row for row in range(2100) if row != 7]
    found = {number: again.block(number) for number in (3, 1, 0, 2)}
    pairs = search(vectors, k=4, groups=groups, workers=2)
    joined = whole.join(found[number] for number in range(4))
    np.testing.assert_array_equal(joined.neighbors, pairs.neighbors)
    np.testing.assert_array_equal(joined.scores, pairs.scores)
