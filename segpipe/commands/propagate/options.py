"""Options of `segpipe propagate`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from segpipe.base.errors import named
from segpipe.base.options import FrameRange, Options, argument, option

Shape = Literal["square", "circle"]
"""As of `ops.propagation.neighborhood`, which brings torch: help and completion need none."""
Protocol = Literal["dino", "dinov3"]

_SHORT = {"dino": 480, "dinov3": 960}
_TEMPERATURE = {"dino": 0.1, "dinov3": 0.2}
_SHAPE: dict[str, Shape] = {"dino": "square", "dinov3": "circle"}


class PropagateOptions(Options):
    """Carry the classes of one frame, or of several key frames, through a film: nothing is trained.

    VIDEO is a video, a folder of frames, or with --from a run of a video. Masks are index PNGs, value = class, of the
    size of their frames; 0 is a class like the others, 255 (65535 of 16 bits) no class. Between two key frames labels
    come from both. OUT gets a class map, a confidence and a line for every frame, and a film with the classes' colors.

    A call that was interrupted goes on where it was when it is typed again.
    """

    video: str = argument("a video, a folder of frames in order, or a run (with --from)", metavar="VIDEO")
    out: Path = argument("a folder", metavar="OUT")
    masks: Path | None = option(
        None,
        "the mask of the first frame, or a folder of masks whose names end in the number of their frame "
        "(000120.png, dive_000120.png), or are those of the files of frames",
        metavar="PNG|DIR",
    )
    key_frames: Literal["classes"] | None = option(
        None, "take the class maps of a run as key frames of all other frames of its film", flags=("--from",)
    )
    run_video: str | None = option(None, "which video of the run, where it has several", metavar="PATH")
    labels: Path | None = option(
        None, "index PNGs of what is true, named as masks are: J, F and J&F are printed", metavar="DIR"
    )
    frames: FrameRange = option(None, "frames FROM up to and without TO", metavar="FROM TO")
    backbone: str | None = option(
        None,
        "one of `segpipe backbones`, or of timm [dino_vits16; with --from that of the run]",
        metavar="NAME",
        of="extract.backbone",
    )
    weights: Path | None = option(None, "file of the backbone's weights", metavar="FILE", of="extract.weights")
    block: int = option(-1, "which block of a ViT or stage of a CNN; 0 is the first, -1 the last", of="extract.blocks")
    protocol: Protocol = option("dino", "whose defaults and sizes: those of DINO's or of DINOv3's evaluation")
    input_size: int | None = option(
        None,
        "pixels of the short side as the network sees it [480; dinov3: 960]",
        limits={"ge": 16, "le": 4096},
        of="extract.input_size",
    )
    context: int = option(7, "labels come from the key frame and so many frames before", limits={"ge": 0, "le": 64})
    radius: int = option(12, "how many patches away labels may come from; 0: from anywhere", limits={"ge": 0})
    neighborhood: Shape | None = option(None, "shape of what lies within --radius [square; dinov3: circle]")
    temperature: float | None = option(
        None, "how much the most alike patches count for more [0.1; dinov3: 0.2]", limits={"gt": 0}
    )
    top: int = option(5, "of so many patches labels are averaged", limits={"ge": 1, "le": 1000})
    no_stretch: bool = option(
        False, "compare soft labels as they are; by default those of each class reach from 0 to 1 in every frame"
    )
    no_confidence: bool = option(False, "write no picture of confidence for every frame")
    no_overlay: bool = option(False, "write no film with the classes' colors")
    fps: float | None = option(None, "frames a second of a folder of frames [25]", limits={"gt": 0, "le": 1000})
    device: str = option("auto", "where networks run: auto, cpu, cuda, cuda:1 or mps", of="runtime.device")
    workers: int = option(
        0, "threads that read and write; 0 = one per processor", limits={"ge": 0}, of="runtime.workers"
    )

    @model_validator(mode="after")
    def _has_labels_to_carry(self) -> PropagateOptions:
        if (self.masks is None) == (self.key_frames is None):
            raise ValueError(
                f"give one of {named('masks', 'FIRST.png')} and {named('key_frames', 'classes')}: what is carried"
            )
        if self.run_video is not None and self.key_frames is None:
            raise ValueError(f"{named('run_video')} chooses one of a run's films; give it with {named('key_frames')}")
        return self

    @property
    def short(self) -> int:
        """Pixels of the short side as the network sees it."""
        return self.input_size or _SHORT[self.protocol]

    @property
    def sharpness(self) -> float:
        """The temperature."""
        return self.temperature or _TEMPERATURE[self.protocol]

    @property
    def shape(self) -> Shape:
        """Shape of the neighborhood."""
        return self.neighborhood or _SHAPE[self.protocol]

    @property
    def start(self) -> int:
        """The first frame that is looked at."""
        return self.frames[0] if self.frames else 0

    @property
    def stop(self) -> int | None:
        """The frame before which the last one lies."""
        return self.frames[1] if self.frames else None
