"""A folder of small drawn photographs, and the smallest training of `segpipe pretrain` on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TINY: dict[str, Any] = {
    "backbone": "test_vit", "global_size": 48, "local_size": 32, "local_crops": 1, "outputs": 16, "steps": 4,
    "batch": 4, "micro_batch": 2, "judge_every": 0, "precision": "float32", "device": "cpu", "workers": 2,
}  # fmt: skip
"""Options of a training that takes two seconds."""


def draw_photos(folder: Path, count: int, *, side: int = 72) -> Path:
    """Write pictures of colored discs on a textured ground, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        rgb = rng.integers(0, 60, (side, side + 8, 3)) + rng.integers(0, 150, 3)
        y, x = np.mgrid[:side, : side + 8]
        for _ in range(3):
            row, col, radius = rng.integers(side // 9, side - side // 9, 3)
            rgb[(y - row) ** 2 + (x - col) ** 2 < (radius / 3) ** 2] = rng.integers(0, 255, 3)
        Image.fromarray(rgb.astype(np.uint8)).save(folder / f"photo{number:02}.png")
    return folder


def flags(**options: Any) -> list[str]:
    """The options as they are typed."""
    return [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]


class InProcess:
    """Takes the place of `Guards`: images that the tests drew need no process of their own, which takes a second."""

    def __init__(self, memory: int | None) -> None:
        self.memory = memory

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`."""
        return function(*arguments)
