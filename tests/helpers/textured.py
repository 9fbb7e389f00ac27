"""Pictures with enough texture for optical flow, and films of a camera that moves over one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]


def textured(height: int, width: int, *, seed: int) -> Rgb:
    """Smooth noise of one hue (height, width, 3): what moves a little differs a little."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), 4.0)
    low, high = noise.min(), noise.max()
    bright = (noise - low) / (high - low)
    return np.asarray(np.array([250, 200, 150], np.float32) * (0.2 + 0.8 * bright[..., None]), np.uint8)


def camera_frames(count: int, *, height: int = 48, width: int = 64, step: int = 2, seed: int = 5) -> list[Rgb]:
    """What a camera sees that moves `step` pixels to the right from frame to frame."""
    wide = textured(height, width + step * count, seed=seed)
    return [np.ascontiguousarray(wide[:, step * i : step * i + width]) for i in range(count)]


def write_pictures(folder: Path, pictures: list[Rgb], *, first: str = "f", start: int = 0) -> None:
    """PNG files `f0`, `f1` and so on: numbers without leading zeros."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, rgb in enumerate(pictures, start):
        content = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
        (folder / f"{first}{i}.png").write_bytes(content)
