"""Options of `segpipe attend`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, field_validator

from segpipe.base.geometry import Box, Size
from segpipe.base.options import FrameRange, Options, argument, option

FIVE = ("dino_vits16", "dino_vits8", "dino_vitb16", "dino_vitb8", "dino_resnet50")
"""What `--compare dino` stands for."""


def _size_text(value: Any) -> Any:
    """`640`, `640x360`, or from Python 640 and (640, 360), width before height, as text."""
    if isinstance(value, tuple | list) and len(value) == 2:
        return f"{value[0]}x{value[1]}"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _known_size(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"([1-9]\d{0,4})(?:[xX×]([1-9]\d{0,4}))?", text):
        raise ValueError("give the longest side such as 640, or width x height such as 640x360")
    return text


def _number_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _known_scale(text: str | None) -> str | None:
    if text is None or text in ("own", "shared"):
        return text
    try:
        top = float(text)
    except ValueError:
        top = 0.0
    if not 0 < top < 1e9:
        raise ValueError("give own, shared, or a number such as 8 (times an even map)")
    return text


def _ordered_box(edges: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
    if edges is not None and not (0 <= edges[0] < edges[1] and 0 <= edges[2] < edges[3]):
        raise ValueError("give rows Y0 < Y1 and columns X0 < X1, counted from 0")
    return edges


def _map_names(given: Any) -> Any:
    return tuple(map(str, given)) if isinstance(given, tuple | list) else given


class AttendOptions(Options):
    """Show what a backbone attends to: maps of every head, their mean, heads in colors, rollout.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, a text file of paths, or a video. OUT is a
    folder, or a video (.webm plays in browsers; .mp4, .mkv, .mov, .avi) with one frame per image or frame.

    A network without attention (a ResNet, `classical`) shows how strongly its features respond, and says so.
    """

    images: str = argument(
        "a folder, an image, a glob, a text file of paths, or a video", metavar="IMAGES", of="index.images"
    )
    out: Path = argument("a folder, or a video (.webm, .mp4, .mkv, .mov, .avi)", metavar="OUT")
    backbone: str | None = option(
        None, "one of `segpipe backbones`, or of timm [dino_vits16]", metavar="NAME", of="extract.backbone"
    )
    weights: Path | None = option(None, "file of the backbone's weights", metavar="FILE", of="extract.weights")
    compare: tuple[str, ...] = option(
        (),
        "a further backbone, put beside the others; repeatable; `dino` stands for its five networks",
        metavar="NAME[=FILE]",
    )
    block: int = option(-1, "which block of a ViT or stage of a CNN; 0 is the first, -1 the last", of="extract.blocks")
    maps: Annotated[tuple[str, ...], BeforeValidator(_map_names)] = option(
        (),
        "mean, colors (heads in colors), rollout, heads, or the number of a head; repeatable [all; in a video mean]",
        flags=("--map",),
        metavar="NAME",
        python="Sequence[str | int]",
    )
    style: Literal["map", "concat", "overlay", "mask", "gray"] | None = option(
        None,
        "the map alone, beside the image, over it; the image darkened or gray where the map is weak "
        "[map; in a video concat]",
    )
    threshold: float | None = option(
        None,
        "keep the strongest pixels that hold this share of a map's mass, as masks and contours",
        metavar="SHARE",
        limits={"gt": 0, "le": 1},
    )
    cmap: str = option("inferno", "a color map of matplotlib", metavar="NAME")
    scale: Annotated[str | None, BeforeValidator(_number_text), AfterValidator(_known_scale)] = option(
        None,
        "full strength is each map's own largest value, one value for all pictures, or N times an even map "
        "[own; in a video shared]",
        metavar="own|shared|N",
        python='Literal["own", "shared"] | float | None',
    )
    nearest: bool = option(False, "show patches as squares instead of interpolating")
    input_size: int = option(
        480,
        "pixels of a side of a square image as the network sees it; other shapes get about its area",
        limits={"ge": 16},
        of="extract.input_size",
        was=("size",),
    )
    crop: Annotated[tuple[int, int, int, int] | None, AfterValidator(_ordered_box)] = option(
        None, "process these rows and columns only, the last ones not included", metavar="Y0 Y1 X0 X1"
    )
    resize: Annotated[str | None, BeforeValidator(_size_text), AfterValidator(_known_size)] = option(
        None,
        "then make the longest side at most N pixels, or give width x height",
        metavar="N|WxH",
        python="int | tuple[int, int] | str | None",
    )
    frames: FrameRange = option(None, "frames FROM up to and without TO", metavar="FROM TO")
    fps: float | None = option(None, "frames a second of the video [the source's]", limits={"gt": 0, "le": 1000})
    npz: bool = option(False, "also save every map as floats at the image's own size")
    batch: int = option(8, "pictures at once", limits={"ge": 1})
    device: str = option("auto", "where networks run: auto, cpu, cuda, cuda:1 or mps", of="runtime.device")
    workers: int = option(
        0, "threads that read and write; 0 = one per processor", limits={"ge": 0}, of="runtime.workers"
    )

    @field_validator("maps")
    @classmethod
    def _known_maps(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if not re.fullmatch(r"\d{1,2}", name) and name not in ("mean", "heads", "colors", "rollout"):
                raise ValueError(f"{name}: give mean, colors, rollout, heads (each of them) or the number of a head")
        return given

    @field_validator("compare")
    @classmethod
    def _named_once(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = [name for text in given for name in (FIVE if text == "dino" else (text.partition("=")[0],))]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is named twice; leave one out (`dino` stands for {', '.join(FIVE)})")
        return given

    @property
    def box(self) -> Box | None:
        """What of an image is processed; None: all of it."""
        if self.crop is None:
            return None
        y0, y1, x0, x1 = self.crop
        return Box(y0, x0, y1 - y0, x1 - x0)

    @property
    def new_size(self) -> Size | int | None:
        """The longest side at most, a size, or None: as it is."""
        if self.resize is None:
            return None
        width, _, height = re.sub("[X×]", "x", self.resize).partition("x")
        return Size(int(height), int(width)) if height else int(width)

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of maps as `inference.backbone_view` knows them."""
        return tuple(f"head{int(name):02}" if name.isdecimal() else name for name in self.maps)

    @property
    def backbones(self) -> list[tuple[str, Path | None]]:
        """Names of backbones, each with a weights file or None."""
        chosen = self.backbone or self.weights or not self.compare
        found = [(self.backbone or "dino_vits16", self.weights)] if chosen else []
        for text in self.compare:
            name, _, file = text.partition("=")
            found += [(each, None) for each in FIVE] if text == "dino" else [(name, Path(file) if file else None)]
        return found
