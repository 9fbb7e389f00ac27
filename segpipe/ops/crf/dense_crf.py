"""Dense conditional random field: class probabilities move to the borders of the image's colors."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size
from segpipe.base.parallel import ThreadTeam

Float32 = npt.NDArray[np.float32]

TOLERANCE = 2e-3
"""Bound on the mean absolute change by classes that are not carried to the last step.

On 40 photographs, with 27 and 12 classes, the change was 5e-4 at most, and 99.8 % of the labels or more the same.
"""

_WHOLE = 1 << 20  # pixels of an image that is refined in one piece; of a larger one pieces with their margins have less
_MARGIN = 3  # standard deviations of the appearance kernel; what lies farther hardly matters to a pixel


@dataclass(frozen=True, slots=True)
class Crf:
    """Constants of a fully connected CRF with Potts compatibility (Krähenbühl, Koltun, NeurIPS 2011, eq. 3).

    The defaults are those of STEGO (Hamilton et al., ICLR 2022), which ran on pictures of 320 x 320 pixels.
    """

    gaussian_sxy: float = 1.0
    """Reach of the smoothness kernel, pixels."""
    gaussian_compat: float = 3.0
    """Weight of the smoothness kernel."""
    bilateral_sxy: float = 67.0
    """Reach of the appearance kernel, pixels."""
    bilateral_srgb: float = 3.0
    """Reach of the appearance kernel in color, gray levels of 0 to 255."""
    bilateral_compat: float = 4.0
    """Weight of the appearance kernel."""
    iterations: int = 10
    """Mean-field steps."""

    def halved(self) -> Crf:
        """For a canvas of half the side: the far kernel reaches as far in the image, the near one still a pixel."""
        return replace(self, bilateral_sxy=self.bilateral_sxy / 2)


def refine_probabilities(
    probabilities: Float32,
    rgb: npt.NDArray[np.uint8],
    crf: Crf,
    *,
    threads: int = 1,
    device: str | None = None,
    tolerance: float = TOLERANCE,
) -> Float32:
    """Mean-field inference of a dense CRF whose unary term is the negative log of `probabilities`.

    Both kernels are filtered on permutohedral lattices and symmetrically normalized, as Krähenbühl's own code and
    pydensecrf do it; marginals of the two differ by 1e-5 on average where all classes are carried (by 1e-7 on
    processors without 16-bit floats, which hold the color lattice in 32 bits). Where a large flat area is undecided
    between classes, rounding alone can decide it, and they differ by more. The order of the
    color channels matters a little: the kernel treats them alike, but the lattice that approximates it does not; on
    textured images RGB and BGR give another label to 1 % of the pixels (STEGO fed BGR).

    An image of more than 2^20 pixels is refined in pieces, each with a margin of 3 `bilateral_sxy` around it: on two
    photographs of 1300 x 1600 pixels marginals differ from those of the whole by 7e-4 and 1.1e-3 on average, 99.7 and
    99.5 % of labels are the same. It is refined as a whole where a margin would be wider than the piece: from a
    `bilateral_sxy` of 114 on.

    Memory beyond the arguments and the result, for n pixels of a piece and c classes rounded up to 8, 16, 32 or a
    multiple of 16: some n (200 + 16 c) bytes, and 2 c for each of the vertices of the color lattice, 0.5 to 6 n of
    them.

    Args:
        probabilities: (classes, h, w), classes sum to 1 at each pixel.
        rgb: (h, w, 3) uint8.
        crf: the constants.
        threads: how many may work; the result does not depend on it.
        device: a torch device that does the steps instead, such as `cuda`.
        tolerance: see `meanfield.infer`; 0 carries every class to the last step.

    Returns:
        (classes, h, w) float32, classes sum to 1 at each pixel. In memory classes come last.

    Raises:
        ValueError: the shapes do not belong together, a probability is not finite, or a reach is so small that the
            image has more lattice points than can be numbered.
    """
    classes, height, width = probabilities.shape
    if rgb.shape != (height, width, 3):
        raise ValueError(f"rgb must be ({height}, {width}, 3) like the probabilities, got {rgb.shape}")
    if not all(np.isfinite(of_class).all() for of_class in probabilities):
        raise ValueError("probabilities must be finite")
    margin = math.ceil(_MARGIN * crf.bilateral_sxy)
    side = math.isqrt(_WHOLE) - 2 * margin
    if height * width <= _WHOLE or side < margin:
        return _refine(probabilities, rgb, crf, threads=threads, device=device, tolerance=tolerance)
    refined = np.empty((height, width, classes), np.float32)
    for piece in _pieces(Size(height, width), side):
        around = piece.grown(margin, Size(height, width))
        part, colors = probabilities[:, *around.slices], rgb[around.slices]
        found = _refine(part, colors, crf, threads=threads, device=device, tolerance=tolerance)
        refined[piece.slices] = found.transpose(1, 2, 0)[piece.within(around).slices]
    return refined.transpose(2, 0, 1)


def _pieces(size: Size, side: int) -> list[Box]:
    """Rectangles of about one size, of sides up to `side`, that together are an image."""
    rows, cols = (
        [length * i // count for i in range(count + 1)]
        for length, count in ((size.height, -(-size.height // side)), (size.width, -(-size.width // side)))
    )
    return [
        Box(top, left, bottom - top, right - left)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(cols)
    ]


def _refine(
    probabilities: Float32,
    rgb: npt.NDArray[np.uint8],
    crf: Crf,
    *,
    threads: int,
    device: str | None,
    tolerance: float,
) -> Float32:
    """`refine_probabilities` of an image as a whole."""
    classes, height, width = probabilities.shape
    from segpipe.ops.crf import meanfield, permutohedral
    from segpipe.ops.crf import spatial_filter as plane

    rows = _rows(probabilities)
    weights, steps = (crf.gaussian_compat, crf.bilateral_compat), crf.iterations
    with ThreadTeam(threads) as team:
        far = permutohedral.build_lattice(_features(rgb, crf), team)
        if device is None:
            near = plane.build_plane(height, width, crf.gaussian_sxy, team)
            found = meanfield.infer(rows, near, far, weights, iterations=steps, tolerance=tolerance, team=team)
        else:
            from segpipe.ops.crf import meanfield_torch

            whole = permutohedral.build_lattice(plane.positions(0, height, width, crf.gaussian_sxy), team)
            found = meanfield_torch.infer(
                rows, whole, far, weights, iterations=steps, tolerance=tolerance, device=device
            )
    return found.reshape(height, width, classes).transpose(2, 0, 1)


def prepare(classes: int) -> None:
    """Compile what inference of that many classes takes, so that processes started afterwards find it on disk."""
    for fewer in {classes, min(classes, 16), min(classes, 8)}:  # rows become narrower as classes are dropped
        refine_probabilities(np.full((fewer, 2, 2), 1 / fewer, np.float32), np.zeros((2, 2, 3), np.uint8), Crf())


def _rows(probabilities: Float32) -> Float32:
    """(pixels, classes) without a copy if classes or pixels lie together."""
    classes = len(probabilities)
    last = probabilities.transpose(1, 2, 0)
    if last.flags.c_contiguous:
        return np.asarray(last.reshape(-1, classes), np.float32)
    return np.ascontiguousarray(probabilities, np.float32).reshape(classes, -1).T


def _features(rgb: npt.NDArray[np.uint8], crf: Crf) -> Float32:
    """(pixels, 5) x, y and the three colors, in standard deviations of the appearance kernel."""
    height, width, _ = rgb.shape
    features = np.empty((height, width, 5), np.float32)
    features[..., 0] = np.arange(width, dtype=np.float32) / np.float32(crf.bilateral_sxy)
    features[..., 1] = (np.arange(height, dtype=np.float32) / np.float32(crf.bilateral_sxy))[:, None]
    np.divide(rgb, np.float32(crf.bilateral_srgb), out=features[..., 2:], dtype=np.float32)
    return features.reshape(-1, 5)
