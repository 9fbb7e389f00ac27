"""The permutohedral lattice: filtering with a Gaussian in a few dimensions at a cost that is linear in the pixels.

Adams, Baek, Davis: Fast High-Dimensional Filtering Using the Permutohedral Lattice, Eurographics 2010. Feature vectors
lie in a plane of d + 1 coordinates that add up to 0, tiled by simplices. Each pixel gives its value to the d + 1
corners of the simplex that holds it (splat), vertices blur along the d + 1 axes of the lattice by (1/2, 1, 1/2), one
axis after the other, and each pixel collects from its corners (slice). Only corners of pixels exist; others count as 0.

A vertex has coordinates k that are all equal modulo d + 1, so that a_i = (k_i - k_(i+1)) / (d + 1), i < d, are whole
numbers, and any d whole numbers are a vertex. A step along axis j takes 1 from a_j and gives 1 to a_(j-1), no more. Two
things follow that make the blurs fast. A vertex is a single number, the a_i as digits, a step along an axis adds a
constant, and neighbors in sorted numbers are found by walking along both. And the first half of the axes leaves the
last digits alone, the other half the first ones: vertices fall into sheets that three blurs do not leave, small enough
for a processor's cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base.parallel import ThreadTeam
from segpipe.ops.crf import meanfield_loops as loops
from segpipe.ops.crf import permutohedral_loops as build

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_TILE = 1500  # vertices blurred together: their rows of some 30 classes stay in a processor's second cache
_MARGIN = 6  # digits reach further than features: rounding to a vertex, its corners, their neighbors
_PARTS = 16  # in which sorted uses are numbered
_SORTED_ALONE = 1 << 16  # uses that threads would not sort sooner
_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class BlurStage:
    """Axes that are blurred tile by tile. Tiles do not meet, so that they can be worked on in any order."""

    rows: Int64
    """(tiles + 1,) where the vertices of each tile begin, if they lie together; else empty."""
    members: Int32
    """Chains of neighbors of at least two vertices, one after the other, the last of each as ~vertex."""
    ends: Int64
    """(axes, tiles + 1) where the chains of each axis and tile begin in `members`."""


@dataclass(frozen=True, slots=True)
class PermutohedralLattice:
    """A lattice over n pixels in d dimensions, symmetrically normalized: N^(-1/2) K N^(-1/2), N the row sums of K.

    (Not yet between `place` and `normalize`.)
    """

    corners: Int32
    """(n, d + 1) vertices around each pixel."""
    weights: Float32
    """(n, d + 1) what each of them counts for the pixel, the pixel's normalization included."""
    starts: Int64
    """(vertices + 1,) where the pixels around each vertex begin in `pixels` and `shares`."""
    pixels: Int32
    shares: Float32
    stages: tuple[BlurStage, ...]

    @property
    def vertices(self) -> int:
        """Number of vertices."""
        return len(self.starts) - 1

    @property
    def scale(self) -> float:
        """What the filter multiplies by at the end: 1 / (1 + 2^-d), as the reference implementation does."""
        return float(1 / (1 + 2.0 ** (1 - self.corners.shape[1])))


def build_lattice(features: Float32, team: ThreadTeam) -> PermutohedralLattice:
    """Place pixels in a lattice, find out who is whose neighbor, and normalize.

    Args:
        features: (n, d) float32, in standard deviations of the Gaussian; d up to 7, n from 1 to below 2^31 / (d + 1).
        team: the threads that do it; the result does not depend on their number.

    Raises:
        ValueError: the features reach so far that vertices cannot be numbered in 63 bits.
    """
    lattice = place(features, team, tiled=True)
    normalize(lattice, roots(lattice, team), team)
    return lattice


def place(features: Float32, team: ThreadTeam, *, tiled: bool) -> PermutohedralLattice:
    """As `build_lattice`, not normalized yet; in a single stage and tile unless `tiled`."""
    pixels, dims = features.shape
    size, scales = dims + 1, _scales(dims)
    low, strides, most = _digits(features, scales)
    bits = (pixels << build.CORNER_BITS).bit_length()
    if most.bit_length() + bits > 63:
        raise ValueError("the kernel's reach is too small for an image of this size: it has too many lattice points")
    ladder = np.array([0, *strides, 0])
    steps = ladder[:-1] - ladder[1:]
    uses, weights = np.empty(pixels * size, np.int64), np.empty((pixels, size), np.float32)
    team.ranges(build.locate, ((),) * dims, features, scales, low, strides, steps, bits, uses, weights, count=pixels)
    uses = _sorted(uses, team)
    cuts = np.linspace(0, len(uses), _PARTS + 1).astype(np.int64)
    counts = np.zeros(_PARTS, np.int64)
    team.calls(build.count, [(uses, bits, counts, part, *cuts[part : part + 2]) for part in range(_PARTS)])
    firsts = np.cumsum([0, *counts])
    corners, members = np.empty((pixels, size), np.int32), np.empty(len(uses), np.int32)
    shares, numbers = np.empty(len(uses), np.float32), np.empty(firsts[-1], np.int64)
    starts = np.full(len(numbers) + 1, len(uses))
    settled = (uses, bits, weights, corners, members, shares, numbers, starts, firsts)
    team.calls(build.number_vertices, [(*settled, part, *cuts[part : part + 2]) for part in range(_PARTS)])
    after = team.calls(build.link, [(numbers, step) for step in steps])
    if tiled:
        stages = _stages(numbers, strides, after, team)
    else:
        everything = np.array([0, len(numbers)])
        stages = (_stage(after, np.arange(len(numbers), dtype=np.int32), everything, everything, team),)
    return PermutohedralLattice(corners, weights, starts, members, shares, stages)


def roots(lattice: PermutohedralLattice, team: ThreadTeam) -> Float32:
    """(n,) 1 over the root of each pixel's row sum of K, of a lattice that is not normalized yet."""
    single, nothing, mass = (((),),), np.empty(0, np.float32), np.empty(lattice.vertices, np.float32)
    team.ranges(build.add_up, lattice.starts, lattice.shares, mass, count=lattice.vertices)
    for stage in lattice.stages:
        splat = (lattice.starts, lattice.pixels, nothing, nothing, np.float32(1), mass)
        team.ranges(loops.sweep, single, _NOTHING, stage.members, stage.ends, *splat, count=stage.ends.shape[1] - 1)
    sums, gain = np.empty(len(lattice.corners), np.float32), np.float32(lattice.scale)
    team.ranges(loops.unload, single, lattice.corners, lattice.weights, gain, mass, sums, count=len(sums))
    team.ranges(build.roots, sums, count=len(sums))
    return sums


def normalize(lattice: PermutohedralLattice, roots: Float32, team: ThreadTeam) -> None:
    """Multiply weights and shares, in place, by the roots of their pixels."""
    splat = (lattice.weights, lattice.pixels, lattice.shares)
    team.ranges(build.normalize, roots, lattice.corners.shape[1], *splat, count=len(roots))


def _sorted(uses: Int64, team: ThreadTeam) -> Int64:
    """The uses in order, which are all different, so that there is but one: halves side by side, then both merged."""
    if team.threads == 1 or len(uses) < _SORTED_ALONE:
        uses.sort()
        return uses
    halves = uses[: len(uses) // 2], uses[len(uses) // 2 :]
    team.calls(np.ndarray.sort, [(half,) for half in halves])
    merged = np.empty_like(uses)
    team.ranges(build.merge, *halves, merged, count=len(uses))
    return merged


def _scales(dims: int) -> Float32:
    """Adams et al., p. 5: the diagonal of E, times the standard deviation of splat, blurs and slice together."""
    deviation = float(np.float32(math.sqrt(2 / 3) * (dims + 1)))
    return np.array([1 / math.sqrt((i + 1) * (i + 2)) * deviation for i in range(dims)], np.float32)


def _digits(features: Float32, scales: Float32) -> tuple[Int64, Int64, int]:
    """The least a_i that can occur, what each counts in the number of a vertex, and what no number reaches.

    a_j = ((j + 2) y_j - j y_(j-1)) / (d + 1) before rounding, where y are the scaled features.
    """
    dims = features.shape[1]
    ends = [(features[:, i].min() * float(scales[i]), features[:, i].max() * float(scales[i])) for i in range(dims)]
    low, strides, stride = [], [], 1
    for j, (least, most) in enumerate(ends):
        before = ends[j - 1] if j else (0.0, 0.0)
        low.append(math.floor(((j + 2) * least - j * before[1]) / (dims + 1)) - _MARGIN)
        strides.append(stride)
        stride *= math.ceil(((j + 2) * most - j * before[0]) / (dims + 1)) + _MARGIN + 1 - low[-1]
    return np.array(low, np.int64), np.array([min(s, 1 << 62) for s in strides], np.int64), stride


def _stages(numbers: Int64, strides: Int64, after: list[Int32], team: ThreadTeam) -> tuple[BlurStage, ...]:
    """Cut the axes into stages: half of them and the other half, or singly where no sheets are left."""
    everything, half = np.arange(len(numbers), dtype=np.int32), (len(strides) + 1) // 2
    first = _cut(numbers // strides[half])
    stages = [_stage(after[:half], everything, first, first, team)]
    if half > 1:
        sheets = numbers % strides[half - 1]
        order = np.argsort(sheets.astype(np.min_scalar_type(int(strides[half - 1]))), kind="stable").astype(np.int32)
        stages.append(_stage(after[half:], order, _cut(sheets[order]), _NOTHING, team))
    else:
        cuts = np.append(np.arange(0, len(numbers), _TILE), len(numbers))
        stages += [_stage([links], everything, cuts, _NOTHING, team) for links in after[half:]]
    return tuple(stages)


def _cut(sheets: Int64) -> Int64:
    """Bounds of tiles that hold whole sheets and some `_TILE` vertices at least."""
    ends = np.append(np.flatnonzero(np.diff(sheets)) + 1, len(sheets))
    tile = (ends - 1) // _TILE  # the last end of each multiple of the size
    return np.append(0, ends[np.append(np.diff(tile) > 0, True)])


def _stage(after: list[Int32], order: Int32, cuts: Int64, rows: Int64, team: ThreadTeam) -> BlurStage:
    found = team.calls(build.chain, [(links, order, cuts) for links in after])
    offsets = np.cumsum([0, *(len(members) for members, _ in found)])
    ends = np.stack([ends + offset for (_, ends), offset in zip(found, offsets, strict=False)])
    return BlurStage(rows, np.concatenate([members for members, _ in found]), ends)
