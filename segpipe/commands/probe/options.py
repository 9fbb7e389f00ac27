"""Options of `segpipe probe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from segpipe.base.options import Options, argument, option

MEASURES = ("center", "focus", "artefacts", "agreement")
"""What can be measured."""


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = next((name for name in names if name not in MEASURES), None)
    if unknown is not None:
        raise ValueError(f"{unknown} is not known; there are {', '.join(MEASURES)}")
    return names


class ProbeOptions(Options):
    """Measure what a backbone is biased to: the center, focus, artefacts; and what its features are robust to.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, a text file of paths, or a video. OUT gets
    index.html, probe.csv with 95% intervals over the images, probe.json and the figures.

    A network without attention (a ResNet, `classical`) is measured by how strongly its features respond, and the page
    says so. How robust the masks of a run are, `segpipe robustness RUN` tells.
    """

    images: str = argument(
        "a folder, an image, a glob, a text file of paths, or a video", metavar="IMAGES", of="index.images"
    )
    out: Path | None = argument("folder for the page, the table and the figures", default=None, metavar="OUT")
    backbone: str = option(
        "dino_vits16", "one of `segpipe backbones`, or of timm", metavar="NAME", of="extract.backbone"
    )
    weights: Path | None = option(None, "file of the backbone's weights", metavar="FILE", of="extract.weights")
    block: int = option(-1, "which block of a ViT or stage of a CNN; 0 is the first, -1 the last", of="extract.blocks")
    input_size: int = option(
        256,
        "pixels of a side of the middle square that is processed; brought to a multiple of four patches",
        limits={"ge": 16},
        of="extract.input_size",
        was=("size",),
    )
    max_images: int = option(
        60, "how many images at most, drawn by the seed", limits={"ge": 1}, metavar="N", was=("count", "images")
    )
    seed: int = option(0, "seed of all that is random", limits={"ge": 0})
    measures: Annotated[tuple[str, ...], AfterValidator(_known)] = option(
        (), f"some of {', '.join(MEASURES)} [all]", flags=("--measure",), metavar="NAME[,NAME]", commas=True
    )
    corruptions: tuple[str, ...] = option(
        (), "names of image corruptions [all]", metavar="NAME[,NAME]", commas=True, was=("disturb",)
    )
    device: str = option("auto", "where networks run: auto, cpu, cuda, cuda:1 or mps", of="runtime.device")
    workers: int = option(0, "pictures side by side; 0 = one per processor", limits={"ge": 0}, of="runtime.workers")
