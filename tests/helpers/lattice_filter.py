"""Filters on a permutohedral lattice: a plain statement, and the package's loops for one set of values."""

from collections import defaultdict

import numpy as np

from segpipe.ops.crf import meanfield_loops as loops
from segpipe.ops.crf.permutohedral import PermutohedralLattice

WIDTH = 8


LIKE = (((),) * WIDTH,)


def plain_filter(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Splat, blur, slice (Adams et al. 2010, section 3), not normalized.

    Features are raised to the plane by a basis that is written out column by column, the simplex is found by comparing
    with every vertex near enough, and barycentric weights by solving for them: nothing is shared with the package.
    """
    pixels, d = features.shape
    basis = np.zeros((d + 1, d))
    for column in range(d):
        basis[: column + 1, column], basis[column + 1, column] = 1, -(column + 1)
        basis[:, column] /= np.sqrt((column + 1) * (column + 2))
    raised = features @ basis.T * np.sqrt(2 / 3) * (d + 1)
    canonical = np.array([[k] * (d + 1 - k) + [k - d - 1] * k for k in range(d + 1)], float)
    corners, weights = [], []
    for point in raised:
        zero = np.rint(point / (d + 1)) * (d + 1)
        while zero.sum():  # the nearest point with coordinates that are multiples of d + 1 and add up to 0
            gap = (point - zero) * -np.sign(zero.sum())
            zero[gap.argmax()] -= (d + 1) * np.sign(zero.sum())
        place = np.argsort(zero - point, kind="stable")  # the largest difference first
        simplex = [zero + canonical[k][np.argsort(place, kind="stable")] for k in range(d + 1)]
        system = np.vstack([np.array(simplex).T, np.ones(d + 1)])
        found, *_ = np.linalg.lstsq(system, np.append(point, 1), rcond=None)
        assert found.min() > -1e-9
        corners.append([tuple(np.rint(corner).astype(int)) for corner in simplex])
        weights.append(found)
    lattice: dict[tuple[int, ...], np.ndarray] = defaultdict(lambda: np.zeros(values.shape[1]))
    for i in range(pixels):
        for corner, weight in zip(corners[i], weights[i], strict=True):
            lattice[corner] = lattice[corner] + weight * values[i]
    for axis in range(d + 1):
        step = np.ones(d + 1, int)
        step[axis] -= d + 1
        near = {key: (tuple(np.add(key, step)), tuple(np.subtract(key, step))) for key in lattice}
        zeros = np.zeros(values.shape[1])
        lattice = {
            key: value + 0.5 * sum(lattice[other] if other in near else zeros for other in near[key])
            for key, value in list(lattice.items())
        }
    scale = 1 / (1 + 2.0**-d)
    return np.array(
        [scale * sum(w * lattice[c] for c, w in zip(*pair, strict=True)) for pair in zip(corners, weights, strict=True)]
    )


def our_filter(lattice: PermutohedralLattice, values: np.ndarray) -> np.ndarray:
    q = np.ascontiguousarray(values, np.float32).ravel()
    v, out = np.full(lattice.vertices * WIDTH, np.nan, np.float32), np.empty_like(q)
    splat = (lattice.starts, lattice.pixels, lattice.shares, q, np.float32(1), v)
    for stage in lattice.stages:
        loops.sweep(LIKE, stage.rows, stage.members, stage.ends, *splat, 0, stage.ends.shape[1] - 1)
    gain = np.float32(lattice.scale)
    loops.unload(LIKE, lattice.corners, lattice.weights, gain, v, out, 0, len(values))
    return out.reshape(-1, WIDTH)
