"""Dense conditional random field: class probabilities move to the borders of the image's colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydensecrf.densecrf import DenseCRF2D

Float32 = npt.NDArray[np.float32]

_LEAST_PROBABILITY = 1e-5  # log(0) would forbid a class for good, whatever the neighbours say


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
    """Reach of the appearance kernel in colour, grey levels of 0 to 255."""
    bilateral_compat: float = 4.0
    """Weight of the appearance kernel."""
    iterations: int = 10
    """Mean-field steps."""


def refine_probabilities(probabilities: Float32, rgb: npt.NDArray[np.uint8], crf: Crf) -> Float32:
    """Mean-field inference of a dense CRF whose unary term is the negative log of `probabilities`.

    The order of the colour channels does not matter: the kernel treats them alike (STEGO fed BGR).

    Args:
        probabilities: (classes, h, w), classes sum to 1 at each pixel.
        rgb: (h, w, 3) uint8.
        crf: the constants.

    Returns:
        (classes, h, w) float32, classes sum to 1 at each pixel.

    Raises:
        ValueError: the shapes do not belong together, or a probability is not finite.
    """
    classes, height, width = probabilities.shape
    if rgb.shape != (height, width, 3):
        raise ValueError(f"rgb must be ({height}, {width}, 3) like the probabilities, got {rgb.shape}")
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities must be finite")
    unary = -np.log(np.clip(probabilities, _LEAST_PROBABILITY, 1.0), dtype=np.float32)
    field = DenseCRF2D(width, height, classes)
    field.setUnaryEnergy(np.ascontiguousarray(unary.reshape(classes, -1)))
    field.addPairwiseGaussian(sxy=crf.gaussian_sxy, compat=crf.gaussian_compat)
    field.addPairwiseBilateral(
        sxy=crf.bilateral_sxy,
        srgb=crf.bilateral_srgb,
        rgbim=np.require(rgb, np.uint8, ["C", "W"]),  # the binding refuses read-only memory
        compat=crf.bilateral_compat,
    )
    return np.asarray(field.inference(crf.iterations), np.float32).reshape(classes, height, width)
