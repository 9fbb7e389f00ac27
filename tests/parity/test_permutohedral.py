"""The permutohedral lattice against a slow plain statement of it: a dictionary of vertices, in 64 bits."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.parallel import ThreadTeam
from segpipe.ops.crf import meanfield_loops as loops
from segpipe.ops.crf import permutohedral_loops as build
from segpipe.ops.crf import spatial_filter as plane_of
from segpipe.ops.crf.permutohedral import PermutohedralLattice, build_lattice, normalize, place, roots

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


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize(("d", "spread"), [(2, 3.0), (2, 0.2), (5, 1.2), (5, 4.0), (3, 1.0)])
def test_filters_as_the_plain_statement_does(d: int, spread: float, tiled: bool) -> None:
    rng = np.random.default_rng(d)
    features, values = rng.normal(scale=spread, size=(90, d)).astype(np.float32), rng.random((90, WIDTH))
    wanted = plain_filter(features.astype(float), values)
    with ThreadTeam(1) as team:
        lattice = place(features, team, tiled=tiled)
        np.testing.assert_allclose(our_filter(lattice, values), wanted, rtol=2e-4, atol=2e-5)
        sums = plain_filter(features.astype(float), np.ones((90, 1)))
        found = roots(lattice, team)
        np.testing.assert_allclose(found, 1 / np.sqrt(sums[:, 0]), rtol=1e-4)
        normalize(lattice, found, team)
    both = plain_filter(features.astype(float), values / np.sqrt(sums)) / np.sqrt(sums)
    np.testing.assert_allclose(our_filter(lattice, values), both, rtol=4e-4, atol=2e-5)


def test_filter_is_about_the_gaussian_it_stands_for() -> None:
    """Normalized both ways and summed: the mean value of the neighbors, each counted by its Gaussian."""
    y, x = np.mgrid[:20, :24]
    features = np.stack([x.ravel(), y.ravel()], 1) / 2.0
    values = np.zeros((480, WIDTH))
    values[10 * 24 + 12, 0] = 1
    with ThreadTeam(1) as team:
        found = our_filter(place(features.astype(np.float32), team, tiled=True), values)[:, 0]
    distances = ((features - features[10 * 24 + 12]) ** 2).sum(1)
    gaussian = np.exp(-distances / 2)
    np.testing.assert_allclose(found / found.sum(), gaussian / gaussian.sum(), atol=0.02)
    assert np.corrcoef(found, gaussian)[0, 1] > 0.99


@given(st.sets(st.integers(-(2**62), 2**62)), st.data())
def test_two_sorted_arrays_are_merged_in_any_ranges(numbers: set[int], data: st.DataObject) -> None:
    one = data.draw(st.sets(st.sampled_from(sorted(numbers)))) if numbers else set()
    halves = [np.array(sorted(half), np.int64) for half in (one, numbers - one)]
    cuts = sorted({0, len(numbers), *data.draw(st.lists(st.integers(0, len(numbers)), max_size=4))})
    out = np.zeros(len(numbers), np.int64)
    for first, last in itertools.pairwise(cuts):
        build.merge(*halves, out, first, last)
    assert out.tolist() == sorted(numbers)


def test_many_tiles_and_threads_change_no_bit() -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(scale=3, size=(12_000, 5)).astype(np.float32)  # enough for threads to share the sorting
    values = rng.random((12_000, WIDTH))
    found = []
    for threads in (1, 3):
        with ThreadTeam(threads) as team:
            lattice = build_lattice(features, team)
        found.append(our_filter(lattice, values))
        assert len(lattice.stages) == 2
        assert min(stage.ends.shape[1] for stage in lattice.stages) > 3
    np.testing.assert_array_equal(*found)
    with ThreadTeam(1) as team:
        whole = place(features, team, tiled=False)
        normalize(whole, roots(whole, team), team)
    np.testing.assert_array_equal(our_filter(whole, values), found[0])


@pytest.mark.parametrize(("height", "width", "reach"), [(190, 60, 1.0), (190, 60, 0.4), (150, 70, 2.5), (7, 900, 1.0)])
def test_bands_of_the_plane_say_what_the_whole_says(
    height: int, width: int, reach: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plane_of, "_KEPT", 0)
    monkeypatch.setattr(plane_of, "_BAND", 1000)
    rng = np.random.default_rng(6)
    values = rng.random((height * width, WIDTH))
    q = values.astype(np.float32).ravel()
    with ThreadTeam(1) as team:
        plane = plane_of.build_plane(height, width, reach, team)
        whole = build_lattice(plane_of.positions(0, height, width, reach), team)
    assert (len(plane.bands) > 1) == (height > 7)
    assert plane.cuts[0] == 0
    assert plane.cuts[-1] == height * width
    np.testing.assert_array_equal(plane.weights, whole.weights)
    wanted = our_filter(whole, values)
    for band, (first, last) in zip(plane.bands, itertools.pairwise(plane.cuts), strict=True):
        (stage,) = band.stages
        v, out = np.full(band.vertices * WIDTH, np.nan, np.float32), np.empty((last - first) * WIDTH, np.float32)
        splat = (band.starts, band.pixels, band.shares, q, np.float32(1), v)
        loops.sweep(LIKE, stage.rows, stage.members, stage.ends, *splat, 0, 1)
        mine = plane.corners[first:last], plane.weights[first:last]
        loops.unload(LIKE, *mine, np.float32(plane.scale), v, out, 0, last - first)
        np.testing.assert_array_equal(out.reshape(-1, WIDTH), wanted[first:last])


def test_a_reach_that_is_too_small_is_refused() -> None:
    rng = np.random.default_rng(7)
    with ThreadTeam(1) as team, pytest.raises(ValueError, match="too many lattice points"):
        build_lattice((rng.random((50, 5)) * 1e6).astype(np.float32), team)
