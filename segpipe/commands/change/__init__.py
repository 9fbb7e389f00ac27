"""`segpipe change`: what changed between two dates, in the same classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segpipe.base.options import Command, Face, Report
from segpipe.commands.change.options import ChangeOptions

if TYPE_CHECKING:
    from segpipe.commands.change.run import ChangeResult

EXAMPLES = """\
segpipe change runs/2023 runs/2024 changed --sites sites.csv
segpipe change runs/2023 photos_2024 changed                      the second date by the model of the first
segpipe change runs/mosaic_2023 mosaic_2024.tif changed           the same ground: change map, transitions
segpipe change runs/both runs/both changed --date-pattern '(20[0-9][0-9])'
"""


def _work(options: ChangeOptions, face: Face) -> ChangeResult:
    from segpipe.commands.change.run import change

    return change(options, face.track)


def _report(found: ChangeResult, options: ChangeOptions) -> Report:
    return Report([*found.summary, f"page     {found.out / 'index.html'}"])


def _value(found: ChangeResult) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [asdict(row) for row in found.rows]


COMMAND = Command(
    "change",
    ChangeOptions,
    _work,
    _report,
    _value,
    returns="list[dict[str, Any]]",
    returned="the rows of `cover.csv`: for every class over all and at each site the shares at both dates, their "
    "difference, its 95% interval and what may be said of it",
    examples=EXAMPLES,
    files={
        "OUT/.segpipe": "says that the folder is an output of segpipe",
        "OUT/index.html": "a page with sentences, the figure, the table, maps of common ground",
        "OUT/cover.csv": "share of every class at both dates, over all and by site; difference, 95% interval, verdict",
        "OUT/cover_before.csv": "with `--harmonize`: the same before it",
        "OUT/transitions.csv": "where pixels correspond: pixels and square meters from every class to every class",
        "OUT/map/*.tif": "where pixels correspond: a COG of three bands: class before, class after, certainty",
        "OUT/change.gpkg": "where pixels correspond: per image a layer of changed polygons: from, to, certainty, area",
        "OUT/change.png": "the figure",
        "OUT/change.json": "all of it, shifts and drift too",
        "OUT/b/*": "the run of the second date, where images were named",
        "OUT/joint.txt": "with `--joint`: the images of both dates",
        "OUT/joint/*": "with `--joint`: the run of both dates",
        "OUT/unchanged/*": "where pixels correspond: the ground of the first date as the second saw it, and its run",
        "OUT/harmonized/*": "with `--harmonize`: the second date's images in the colors of the first, and their run",
    },
)
