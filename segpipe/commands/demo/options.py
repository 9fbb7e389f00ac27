"""Options of `segpipe sample` and `segpipe demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from segpipe.base.options import Options, argument, option

Kind = Literal["photos", "mosaic", "video"]


class SampleOptions(Options):
    """Write sample images with exact labels: photographs of a reef, an orthomosaic, or a video.

    All is drawn on this machine, nothing is fetched. KIND is photos, mosaic or video. Beside them lie labels/ (index
    PNGs, 255 = no data) and classes.txt; with photos also points.csv and sites.csv. OUT appears whole or not at all; it
    is a new or empty folder, and the same sample in it is left as it is.
    """

    kind: Kind = argument("photos, mosaic or video", metavar="KIND")
    out: Path = argument("folder for the sample, new or empty", metavar="OUT")
    count: int | None = option(None, "how many photographs; of photos only [24]", metavar="N", limits={"ge": 1})
    seed: int = option(0, "another seed draws another reef", metavar="N", limits={"ge": 0})


class DemoOptions(Options):
    """Make a small synthetic reef with exact labels and run every stage on it; no download."""

    run: Path = argument("the run directory [runs/demo]", default=Path("runs/demo"), metavar="RUN")
