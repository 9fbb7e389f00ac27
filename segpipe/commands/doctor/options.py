"""Options of `segpipe doctor`."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from segpipe.base.errors import named
from segpipe.base.options import Options, argument, option


class DoctorOptions(Options):
    """Check whether this machine has what segpipe needs; with --backbone, whether a backbone suits your IMAGES.

    A backbone is judged without labels, block by block: how its variance is spread, how much of it the place in the
    image explains, tokens that stand out by their norm, and how far similar patches of different images share a class.
    Without IMAGES, drawn ones are looked at, which say little. Nothing is written.
    """

    images: str | None = argument(
        "a folder of images (walked recursively), one video, a glob in quotes, or a text file of paths",
        default=None,
        metavar="IMAGES",
        of="index.images",
        python="AnyPath | None",
    )
    backbone: str | None = option(None, "one of `segpipe backbones`, or of timm", metavar="NAME", of="extract.backbone")
    weights: Path | None = option(None, "file of the backbone's weights", metavar="FILE", of="extract.weights")
    input_size: int = option(
        448,
        "pixels of a side of a square image as the network sees it; other shapes get about its area",
        limits={"ge": 16, "le": 16_384},
        of="extract.input_size",
    )
    max_images: int = option(60, "how many images to look at, spread evenly", metavar="N", limits={"ge": 2, "le": 1000})
    seed: int = option(0, "seed of the patches that are drawn, and of k-means", limits={"ge": 0})
    device: str = option("auto", "where networks run: auto, cpu, cuda, cuda:1 or mps", of="runtime.device")
    workers: int = option(
        0, "threads that read and compute; 0 = one per processor", limits={"ge": 0}, of="runtime.workers"
    )
    folder: Path = option(Path(), "where runs will be written", metavar="DIR", faces=("terminal",))

    @model_validator(mode="after")
    def _has_backbone(self) -> DoctorOptions:
        if self.backbone is None and (self.images is not None or self.weights is not None):
            given = named("images", self.images) if self.images is not None else named("weights", self.weights)
            example = named("backbone", "dino_vits16")
            raise ValueError(f"{given} is for the health of a backbone; name one, such as {example}")
        return self
