"""Options of `segpipe robustness`."""

from __future__ import annotations

from pathlib import Path

from segpipe.base.options import Options, argument, option


class RobustnessOptions(Options):
    """Measure how far the masks of a finished RUN stay the same when its images are corrupted.

    OUT, by default RUN/robustness, gets index.html, robustness.csv with 95% intervals over the images, robustness.json
    and a figure.
    """

    run: Path = argument("the run directory", metavar="RUN")
    out: Path | None = argument("folder for the page and the table [RUN/robustness]", default=None, metavar="OUT")
    max_images: int = option(
        24, "how many images of the run, spread over it; 0: all", limits={"ge": 0}, metavar="N", was=("count", "images")
    )
    seed: int = option(0, "seed of all that is random", limits={"ge": 0})
    corruptions: tuple[str, ...] = option(
        (), "names of image corruptions [all]", metavar="NAME[,NAME]", commas=True, was=("disturb",)
    )
    crf: bool = option(False, "refine masks by the run's CRF; takes half as long again")
    max_side: int = option(
        960,
        "longest side in pixels to which photographs are scaled before they are corrupted",
        limits={"ge": 16},
        was=("side",),
    )
