import numpy as np

from segpipe.ops.clustering.knn_loops import score


def test_products_are_those_of_numpy_in_64_bits_and_equal_rows_score_equal() -> None:
    rng = np.random.default_rng(0)
    units = rng.normal(size=(40, 33)).astype(np.float32)
    units[7] = units[31]
    queries, ids = np.array([3, 39, 0]), rng.integers(0, 40, (3, 17))
    ids[:, 4], ids[:, 15], ids[1, 0] = 7, 31, -1
    out = np.full((3, 17), np.nan)
    score(units, queries, ids, out)
    wide = units.astype(np.float64)
    np.testing.assert_allclose(out, np.einsum("qd,qcd->qc", wide[queries], wide[ids]), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(out[:, 4], out[:, 15])
