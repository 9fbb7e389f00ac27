"""The lattice of the smoothness kernel: of positions alone, the same for all images of a size, cut into bands.

A row of the image is felt a few standard deviations away and no further. So the lattice of some rows and a few more
around them says all there is to say about those rows, and its vertices are few enough to be splatted, blurred and
sliced without leaving the processor's cache, where those of a whole image would go to memory and back at every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from segpipe.base.parallel import ThreadTeam
from segpipe.ops.crf.permutohedral import PermutohedralLattice, normalize, place, roots

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

_BAND = 10_000  # pixels of a band, about
_REACH = 4.0  # standard deviations: a corner within 1 of its pixel, two more by three blurs, and 1 to the pixels there
_KEPT = 1 << 19  # pixels of the largest plane that is kept for the next image


@dataclass(frozen=True, slots=True)
class Plane:
    """The smoothness kernel of an image of n pixels."""

    corners: Int32
    """(n, 3) corners of each pixel, numbered in its band."""
    weights: Float32
    """(n, 3)"""
    cuts: tuple[int, ...]
    """(bands + 1) first pixel of each band, and n."""
    bands: tuple[PermutohedralLattice, ...]
    """A lattice of one stage and tile for each band: rows of `corners` are its own, `pixels` are those of the image."""
    scale: float
    """See `PermutohedralLattice.scale`."""


def build_plane(height: int, width: int, reach: float, team: ThreadTeam) -> Plane:
    """The kernel exp(-distance^2 / (2 reach^2)) between the pixels of an image, `reach` in pixels."""
    if height * width > _KEPT:
        return _build(height, width, reach, team)
    return _kept(height, width, reach)


@lru_cache(maxsize=2)
def _kept(height: int, width: int, reach: float) -> Plane:
    with ThreadTeam(1) as team:
        return _build(height, width, reach, team)


def _build(height: int, width: int, reach: float, team: ThreadTeam) -> Plane:
    halo = math.ceil(_REACH * reach) + 1
    bands = max(1, min(height // (4 * halo), round(height * width / _BAND)))
    rows = [height * band // bands for band in range(bands + 1)]
    seen = [(max(0, top - halo), min(height, bottom + halo)) for top, bottom in pairwise(rows)]
    lattices = [place(positions(first, last, width, reach), team, tiled=False) for first, last in seen]
    own = [
        slice((top - first) * width, (bottom - first) * width)
        for (top, bottom), (first, _) in zip(pairwise(rows), seen, strict=True)
    ]
    factors = np.concatenate([roots(lattice, team)[mine] for lattice, mine in zip(lattices, own, strict=True)])
    found = []
    for lattice, mine, (first, last) in zip(lattices, own, seen, strict=True):
        normalize(lattice, factors[first * width : last * width], team)
        members = lattice.pixels + np.int32(first * width)
        found.append(replace(lattice, corners=lattice.corners[mine], weights=lattice.weights[mine], pixels=members))
    corners = np.concatenate([lattice.corners for lattice in found])
    weights = np.concatenate([lattice.weights for lattice in found])
    return Plane(corners, weights, tuple(row * width for row in rows), tuple(found), lattices[0].scale)


def positions(first: int, last: int, width: int, reach: float) -> Float32:
    """(pixels, 2) x and y of rows `first` to `last` - 1 of an image, in multiples of `reach`."""
    found = np.empty((last - first, width, 2), np.float32)
    found[..., 0] = np.arange(width, dtype=np.float32) / np.float32(reach)
    found[..., 1] = (np.arange(first, last, dtype=np.float32) / np.float32(reach))[:, None]
    return found.reshape(-1, 2)
