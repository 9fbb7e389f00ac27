import numpy as np
import pytest

from segpipe.ops.crf.class_rows import FULL, enter, leave, narrow

WIDTH = 8
LIKE = (((),) * WIDTH,)


@pytest.mark.parametrize("classes_first", [True, False])
def test_probabilities_go_in_and_come_out(classes_first: bool) -> None:
    rng = np.random.default_rng(0)
    given = (rng.dirichlet(np.ones(5), 37) * 0.9).astype(np.float32)  # they need not sum to 1
    given[3, 2] = 0
    flat = np.ascontiguousarray(given.T if classes_first else given).ravel()
    steps = (1, 37) if classes_first else (5, 1)
    prior, q = np.zeros(37 * WIDTH, np.float32), np.zeros(37 * WIDTH, np.uint16)
    for first, last in ((0, 20), (20, 37)):
        enter(LIKE, flat, *steps, 5, np.float32(1e-4), prior, q, first, last)
    least = np.maximum(given, np.float32(1e-4))
    np.testing.assert_array_equal(prior.reshape(-1, WIDTH)[:, :5], least)
    assert not prior.reshape(-1, WIDTH)[:, 5:].any()
    out, none = np.full((37, 6), -1, np.float32), np.empty(0, np.float32)
    leave(q, np.float32(FULL), WIDTH, np.arange(5), np.array([5, 0, 1, 2, 4]), none, none, out, 0, 37)
    np.testing.assert_allclose(out[:, [5, 0, 1, 2, 4]], least / least.sum(1, keepdims=True), atol=1e-5)
    assert (out[:, 3] == -1).all()
    then, now = np.full(37, 6, np.float32), np.full(37, 3, np.float32)
    twice = np.zeros_like(out)
    leave(q, np.float32(FULL), WIDTH, np.arange(5), np.array([5, 0, 1, 2, 4]), then, now, twice, 0, 37)
    np.testing.assert_allclose(twice[:, :3], 2 * out[:, :3], rtol=1e-6)


def test_columns_that_go_are_added_to_the_rest() -> None:
    rng = np.random.default_rng(1)
    q = rng.integers(0, 3000, (9, 16)).astype(np.uint16)
    prior, levels = rng.random((9, 16)).astype(np.float32), rng.random(9).astype(np.float32)
    kept, gone = np.array([0, 4, 11]), np.array([2, 13])
    rest, new_q, new_prior = np.ones(9, np.float32), np.full((9, 8), 7, np.uint16), np.full((9, 8), 7, np.float32)
    arrays = new_q.ravel(), new_prior.ravel()
    narrow(q.ravel(), prior.ravel(), 16, kept, gone, levels, rest, *arrays, 8, 0, 9)
    np.testing.assert_array_equal(new_q[:, :3], q[:, kept])
    np.testing.assert_array_equal(new_prior[:, :3], prior[:, kept])
    assert not new_q[:, 3:].any()
    assert not new_prior[:, 3:].any()
    np.testing.assert_allclose(rest, 1 + q[:, gone].sum(1, dtype=np.int64) / FULL * levels, rtol=1e-5)
