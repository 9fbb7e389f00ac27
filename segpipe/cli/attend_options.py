"""The options of `segpipe attend`, and what their values mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from segpipe.base.errors import SegpipeError, UsageError
from segpipe.base.geometry import Box, Size

FIVE = ("dino_vits16", "dino_vits8", "dino_vitb16", "dino_vitb8", "dino_resnet50")
"""What `--compare dino` stands for."""


def parse_resize(text: str | None) -> Size | int | None:
    """`640` (longest side at most) or `640x360` (width x height).

    Raises:
        UsageError: neither.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})(?:[xX×]([1-9]\d{0,4}))?", text)
    if not found:
        raise UsageError(f"--resize {text}: give the longest side such as 640, or width x height such as 640x360")
    return Size(int(found[2]), int(found[1])) if found[2] else int(found[1])


def parse_crop(edges: Sequence[int] | None) -> Box | None:
    """Y0 Y1 X0 X1, the last ones not included.

    Raises:
        UsageError: they enclose nothing.
    """
    if edges is None:
        return None
    y0, y1, x0, x1 = edges
    if not (0 <= y0 < y1 and 0 <= x0 < x1):
        raise UsageError(f"--crop {y0} {y1} {x0} {x1}: give rows Y0 < Y1 and columns X0 < X1, counted from 0")
    return Box(y0, x0, y1 - y0, x1 - x0)


def parse_scale(text: str) -> str | float:
    """`own`, `shared`, or a number above 0.

    Raises:
        UsageError: none of these.
    """
    if text in ("own", "shared"):
        return text
    try:
        top = float(text)
    except ValueError:
        top = 0.0
    if not 0 < top < 1e9:
        raise UsageError(f"--scale {text}: give own, shared, or a number such as 8 (times an even map)")
    return top


def parse_maps(given: Sequence[str]) -> tuple[str, ...]:
    """Names of maps as the parts know them; a bare number is a head.

    Raises:
        UsageError: an unknown name.
    """
    names = []
    for name in given:
        if re.fullmatch(r"\d{1,2}", name):
            names.append(f"head{int(name):02}")
        elif name in ("mean", "heads", "colors", "rollout"):
            names.append(name)
        else:
            raise UsageError(f"--map {name}: give mean, colors, rollout, heads (each of them) or the number of a head")
    return tuple(names)


def parse_backbones(
    backbone: str | None, weights: Path | None, compare: Sequence[str]
) -> list[tuple[str, Path | None]]:
    """Names of backbones, each with a weights file or None.

    Raises:
        UsageError: one is named twice, or weights belong to none.
    """
    found = [(backbone or "dino_vits16", weights)] if backbone or weights or not compare else []
    for text in compare:
        if text == "dino":
            found += [(name, None) for name in FIVE]
        else:
            name, _, file = text.partition("=")
            found.append((name, Path(file) if file else None))
    names = [name for name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--compare {twice} is named twice; leave one out (`dino` stands for {', '.join(FIVE)})")
    return found


@contextmanager
def as_options() -> Iterator[None]:
    """Messages about settings of runs speak of this command's options."""
    try:
        yield
    except SegpipeError as error:
        text = re.sub(r"extract\.blocks=\[(-?\d+)\]", r"--block \1", str(error))
        text = text.replace("index.images is not set", "IMAGES is empty").replace("correct index.images", "correct it")
        text = re.sub(r"extract\.(backbone|weights|size)\b=?", r"--\1 ", text)
        error.args = (re.sub(r" +([;,.]|$)", r"\1", text),)
        raise


def attend_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All options of `segpipe attend`."""
    for option in reversed(
        [
            click.option("--backbone", metavar="NAME", help="One of `segpipe backbones` or of timm [dino_vits16]."),
            click.option("--weights", type=click.Path(path_type=Path), metavar="FILE", help="Weights of --backbone."),
            click.option(
                "--compare",
                multiple=True,
                metavar="NAME[=FILE]",
                help="Put this backbone beside the others; repeatable. `dino` stands for its five networks.",
            ),
            click.option("--block", type=int, default=-1, show_default=True, help="Which block; 0 is the first."),
            click.option(
                "--map",
                "maps",
                multiple=True,
                metavar="NAME",
                help="mean, colors (heads in colors), rollout, heads, or the number of a head; repeatable "
                "[all; in a video mean].",
            ),
            click.option(
                "--style",
                type=click.Choice(["map", "concat", "overlay", "mask", "gray"]),
                help="The map alone, beside the image, over it; the image darkened or gray where the map is weak "
                "[map; in a video concat].",
            ),
            click.option(
                "--threshold",
                type=click.FloatRange(0, 1, min_open=True),
                metavar="SHARE",
                help="Keep the strongest pixels that hold this share of a map's mass, as masks and contours.",
            ),
            click.option("--cmap", default="inferno", show_default=True, metavar="NAME", help="Of matplotlib's."),
            click.option(
                "--scale",
                metavar="own|shared|N",
                help="Full strength is each map's own largest value, one value for all pictures, or N times an even "
                "map [own; in a video shared].",
            ),
            click.option("--nearest", is_flag=True, help="Show patches as squares instead of interpolating."),
            click.option(
                "--size",
                type=click.IntRange(16),
                default=480,
                show_default=True,
                help="Pixels of a side of a square image as the network sees it; other shapes get about its area.",
            ),
            click.option("--crop", type=int, nargs=4, metavar="Y0 Y1 X0 X1", help="Look at these rows and columns."),
            click.option(
                "--resize", metavar="N|WxH", help="Then make the longest side at most N pixels, or give a size."
            ),
            click.option("--frames", type=int, nargs=2, metavar="FROM TO", help="Frames FROM up to and without TO."),
            click.option("--fps", type=click.FloatRange(0, 1000, min_open=True), help="Of the video [the source's]."),
            click.option("--npz", is_flag=True, help="Also save every map as floats at the image's own size."),
            click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Pictures at once."),
            click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps."),
        ]
    ):
        function = option(function)
    return function
