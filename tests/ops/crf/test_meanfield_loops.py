import numpy as np

from segpipe.ops.crf import meanfield_loops as loops

WIDTH = 8
LIKE = (((),) * WIDTH,)


def test_splat_and_unload_are_a_sparse_matrix_and_its_transpose() -> None:
    rng = np.random.default_rng(0)
    pixels, vertices = 50, 30
    corners = np.array([rng.permutation(vertices)[:3] for _ in range(pixels)], np.int32)
    weights = rng.random((pixels, 3)).astype(np.float32)
    dense = np.zeros((pixels, vertices))
    np.put_along_axis(dense, corners.astype(int), weights, 1)
    around = [np.flatnonzero(column) for column in dense.T]
    starts = np.cumsum([0, *map(len, around)])
    members = np.concatenate(around).astype(np.int32)
    shares = np.concatenate([dense[rows, k] for k, rows in enumerate(around)]).astype(np.float32)
    q = rng.random((pixels, WIDTH)).astype(np.float32)
    v = np.full(vertices * WIDTH, np.nan, np.float32)
    for first, last in ((0, 11), (11, vertices)):
        loops.splat(LIKE, starts, members, shares, q.ravel(), np.float32(0.5), v, first, last)
    np.testing.assert_allclose(v.reshape(-1, WIDTH), 0.5 * dense.T @ q, rtol=1e-5, atol=1e-6)
    out = np.empty(pixels * WIDTH, np.float32)
    loops.unload(LIKE, corners, weights, np.float32(2), v, out, 0, pixels)
    np.testing.assert_allclose(out.reshape(-1, WIDTH), dense @ dense.T @ q, rtol=1e-5, atol=1e-6)


def test_blur_adds_half_of_the_neighbors_as_they_were_along_each_chain() -> None:
    rng = np.random.default_rng(1)
    before = rng.random((6, WIDTH)).astype(np.float32)
    members = np.array([4, 0, ~5, 2, ~1], np.int32)  # chains 4 - 0 - 5 and 2 - 1; 3 stands alone
    v = before.ravel().copy()
    loops.blur(LIKE, members, v, 0, len(members))
    near = np.eye(6)
    for a, b in ((4, 0), (0, 5), (2, 1)):
        near[a, b] = near[b, a] = 0.5
    np.testing.assert_allclose(v.reshape(6, WIDTH), near @ before, rtol=1e-6)


def test_an_update_is_the_softmax_of_prior_and_messages() -> None:
    rng = np.random.default_rng(2)
    pixels, vertices = 21, 40
    prior = rng.dirichlet(np.ones(WIDTH), pixels).astype(np.float32)
    sides = []
    for corners in (3, 6):
        near = rng.integers(0, vertices, (pixels, corners)).astype(np.int32)
        sides.append(
            (near, rng.random((pixels, corners)).astype(np.float32), rng.random((vertices, WIDTH), np.float32))
        )
    gains = (np.float32(0.7), np.float32(1.3))
    message = sum(g * np.einsum("pc,pck->pk", w, v[c]) for g, (c, w, v) in zip(gains, sides, strict=True))
    given = [(c.ravel(), w.ravel(), g, v.ravel()) for g, (c, w, v) in zip(gains, sides, strict=True)]
    q, levels, score = np.zeros(pixels * WIDTH, np.float32), np.zeros(pixels, np.float32), np.zeros(WIDTH, np.float32)
    rest, one = rng.random(pixels).astype(np.float32), np.float32(1)
    loops.update(LIKE, prior.ravel(), rest, *given[0], *given[1], q, one, levels, score, 0, pixels)
    numerators = prior * np.exp(message)
    total = numerators.sum(1) + rest
    expected = numerators / total[:, None]
    np.testing.assert_allclose(q.reshape(-1, WIDTH), expected, rtol=2e-4, atol=1e-6)
    np.testing.assert_allclose(levels, total, rtol=2e-4)
    np.testing.assert_allclose(score, (expected * message).sum(0), rtol=2e-4)
