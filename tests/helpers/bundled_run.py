"""Quick runs that end with a bundle."""

from __future__ import annotations

from pathlib import Path

import segpipe

SMALL: dict[str, object] = {
    "extract.input_size": 96,
    "train.method": "pca",
    "cluster.k": 4,
    "cluster.patches": 4000,
    "refine.crf_iterations": 2,
    "runtime.workers": 1,
}
"""Settings of a quick run."""
WHOLE: dict[str, object] = {"extract.backbone": "classical"}
PACKED: dict[str, object] = {**WHOLE, "extract.codec": "pca8", "index.crops": "windows", "index.window": 120}
"""Images seen in windows, their features packed."""
VIT = "vit_tiny_patch16_224"


def finish(images: Path, folder: Path, settings: dict[str, object]) -> tuple[Path, Path]:
    """A run of images and its bundle."""
    segpipe.run(images, folder / "run", settings={**SMALL, **settings}, stop="refine")
    segpipe.bundle(folder / "run", folder / "reef.segpipe")
    return folder / "run", folder / "reef.segpipe"
