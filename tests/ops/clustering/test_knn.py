import numpy as np

from segpipe.ops.clustering import knn


def test_rows_get_unit_length_and_blank_ones_are_told() -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [-2.0, 0.0]])
    units, blank = knn.unit_rows(vectors)
    np.testing.assert_allclose(units, [[0.6, 0.8], [0, 0], [0, 0], [0, 0], [-1, 0]], atol=1e-7)
    assert blank.tolist() == [False, True, True, True, False]
    assert units.dtype == np.float32


def test_an_index_finds_the_rows_themselves() -> None:
    units, _ = knn.unit_rows(np.random.default_rng(0).normal(size=(400, 8)))
    for kind in ("exact", "ivf", "hnsw"):
        _, found = knn.build(units, kind, depth=3).search(units, 1)  # type: ignore[arg-type]
        assert (found[:, 0] == np.arange(400)).mean() > 0.98


def test_available_says_how_many_every_row_can_have() -> None:
    blank, groups = np.array([False, False, False, False, True]), np.array([0, 0, 0, 1, 1])
    assert knn.available(np.arange(5), blank) == 3
    assert knn.available(groups, blank) == 1
    assert knn.available(np.zeros(5, np.int64), blank) == 0
    assert knn.available(np.arange(5), np.ones(5, bool)) == 0
