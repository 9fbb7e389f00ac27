"""A folder of files of many kinds: photographs, deep rasters of two scales, a mosaic, a film, label masks, rubbish."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.drawn_ground import write_raster
from tests.helpers.films import write_film


def write_mixed(root: Path) -> Path:
    """Draw them."""
    rng = np.random.default_rng(0)
    (root / "sub é").mkdir(parents=True)
    for n in range(5):
        Image.fromarray(rng.integers(0, 256, (40 + n, 50, 3), np.uint8)).save(root / "sub é" / f"p{n}.png")
    (root / "again.png").write_bytes((root / "sub é" / "p1.png").read_bytes())
    Image.fromarray(np.full((41, 50), 3, np.uint8)).save(root / "p1_mask.png")  # of p1: no image
    Image.fromarray(rng.integers(0, 256, (30, 30, 3), np.uint8)).save(root / os.fsdecode(b"bad \xff\n.jpg"))
    for n, high in enumerate((3000, 60, 50)):
        Image.fromarray(rng.integers(10, high, (40, 40), np.uint16)).save(root / f"deep{n}.png")
    write_raster(root / "map.tif", rng.integers(1, 256, (150, 170, 3), np.uint8))
    write_film(root / "dive.mp4", [12, 15])
    (root / "junk.jpg").write_bytes(b"junk")
    (root / "empty.png").touch()
    return root


SETTINGS = {"index.window": 64, "index.frame_step": 5}
"""Settings of `index` by which the mosaic is one, and the film has some frames."""
