"""Water before the camera: colors fade with distance and a veil of scattered light takes their place.

I = J exp(-c z) + B (1 - exp(-c z)) in linear light, for each channel: Jaffe, Computer modeling and the design of
optimal underwater imaging systems, IEEE J. Oceanic Eng. 1990, without forward scattering; Akkaynak and Treibitz, A
revised underwater image formation model, CVPR 2018, in which both coefficients of a channel as narrow as one
wavelength are the beam attenuation c = a + b, and B is proportional to b E / c, E being the light at that depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from segpipe.ops.corruptions.common import Float32, in_linear_light
from segpipe.records.corruption import CorruptedImage, Rgb

_DEPTH = 5.0  # meters below the surface: what light is left there gives the veil its color
_VEIL = 0.18  # of white, mean of the channels: the veil fills an exposed image with middle gray
_NEAR = 0.25  # of the way to the farthest row that the nearest row is away


@dataclass(frozen=True, slots=True)
class Water:
    """A water type by Jerlov, at 600, 525 and 450 nm for red, green and blue, all per meter."""

    absorption: tuple[float, float, float]
    """Measured: Williamson and Hollins, Measured IOPs of Jerlov water types, Applied Optics 61, 9951 (2022)."""
    scattering: tuple[float, float, float]
    """From the same source."""
    downwelling: tuple[float, float, float]
    """How daylight fades with depth: Jerlov, Marine Optics (1976), table XXVII."""

    @property
    def attenuation(self) -> Float32:
        """(3,) of a beam."""
        return np.asarray(np.add(self.absorption, self.scattering), np.float32)

    @property
    def veil(self) -> Float32:
        """(3,) linear light that comes from an endless stretch of this water, white being 1."""
        light = np.exp(-_DEPTH * np.asarray(self.downwelling))
        color = np.asarray(self.scattering) * light / np.add(self.absorption, self.scattering)
        return np.asarray(_VEIL * color / color.mean(), np.float32)


OCEANIC_III = Water((0.241, 0.0821, 0.112), (0.278, 0.292, 0.309), (0.295, 0.116, 0.135))
COASTAL_5C = Water((0.285, 0.174, 0.313), (1.16, 1.21, 1.27), (0.40, 0.31, 0.56))


def add_water(rgb: Rgb, meters: float, rng: np.random.Generator, *, water: Water) -> CorruptedImage:
    """Water between camera and scene: `meters` to what the top row shows, a quarter of that to the bottom row."""
    distance = meters * distances(rgb.shape[0])[:, None, None]
    clear = np.exp(-water.attenuation * distance).astype(np.float32)
    return CorruptedImage(in_linear_light(rgb, lambda light: light * clear + water.veil * (1 - clear)))


def distances(rows: int) -> Float32:
    """(rows,) how far away each row is: 1 at the top, falling evenly to a quarter at the bottom."""
    return np.linspace(1, _NEAR, rows, dtype=np.float32)


oceanic_water = partial(add_water, water=OCEANIC_III)
coastal_water = partial(add_water, water=COASTAL_5C)
