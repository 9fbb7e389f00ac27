"""The options of `segpipe attend`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from segpipe.base.errors import SegpipeError


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
