"""Small videos for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.images.video_writing import write_video

COLORS = ((220, 30, 30), (20, 60, 20), (230, 230, 230), (40, 40, 120), (250, 220, 80))


def scene_frames(lengths: Sequence[int], *, height: int = 48, width: int = 64) -> list[npt.NDArray[np.uint8]]:
    """Frames of scenes of these lengths, each of its own color with a square that wanders."""
    frames = []
    for scene, length in enumerate(lengths):
        for i in range(length):
            rgb = np.empty((height, width, 3), np.uint8)
            rgb[:] = COLORS[scene % len(COLORS)]
            left = 2 + (3 * i) % (width - 20)
            rgb[8:24, left : left + 16] = 255 - rgb[0, 0]
            frames.append(rgb)
    return frames


def write_film(path: Path, lengths: Sequence[int], *, fps: float = 10.0, height: int = 48, width: int = 64) -> Path:
    """A video of `scene_frames`; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_video(path, fps=fps) as append:
        for rgb in scene_frames(lengths, height=height, width=width):
            append(rgb)
    return path


def cut_film(path: Path, share: float) -> Path:
    """Keep the first part of a video's bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
