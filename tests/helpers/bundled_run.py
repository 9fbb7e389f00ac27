"""Quick runs that end with a bundle."""

from __future__ import annotations

from pathlib import Path

import segpipe
from tests.helpers.quick_run import CLASSICAL, SMALL

PACKED: dict[str, object] = {**CLASSICAL, "extract.codec": "pca8", "index.crops": "windows", "index.window": 120}
"""Images seen in windows, their features packed."""
VIT = "vit_tiny_patch16_224"


def finish(images: Path, folder: Path, settings: dict[str, object]) -> tuple[Path, Path]:
    """A run of images and its bundle."""
    segpipe.run(images, folder / "run", settings={**SMALL, **settings}, stop="refine")
    segpipe.bundle(folder / "run", folder / "reef.segpipe")
    return folder / "run", folder / "reef.segpipe"
