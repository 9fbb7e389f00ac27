"""Options of `segpipe change`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from segpipe.base.errors import named
from segpipe.base.options import Options, argument, option

NAMES = "names"
"""What `--pairs` says where images of one id belong together."""


class ChangeOptions(Options):
    """Show what changed between two dates, in the same classes: cover with intervals, transitions, a change map.

    RUN_A is a finished run of the first date. The second date is a run with the clusters of RUN_A, or IMAGES_B, which
    are segmented by the model of RUN_A in OUT/b. Names and merges of RUN_A hold for both. Where both dates lie in one
    run, name it twice and tell the dates apart by --dates or --date-pattern.
    """

    run_a: Path = argument("the finished run of the first date", metavar="RUN_A")
    second: str = argument(
        "the second date: a run with the same clusters, RUN_A itself, or images as for `run`", metavar="RUN_B|IMAGES_B"
    )
    out: Path = argument("a folder for what is found", metavar="OUT")
    joint: bool = option(
        False, "find the classes anew in the images of both dates, in OUT/joint, instead of taking those of RUN_A"
    )
    dates: Path | None = option(None, "CSV that names images and their date, of a run that holds both", metavar="CSV")
    date_pattern: str | None = option(
        None,
        "regular expression whose first group in an image's path says its date, such as (20\\d\\d)",
        metavar="PATTERN",
    )
    sites: Path | None = option(
        None, "CSV that names images of both dates and their site", metavar="CSV", of="cover.sites"
    )
    by: str = option("", "column of sites that says the site, or `folder`", metavar="COLUMN|folder", of="cover.by")
    site_pattern: str | None = option(
        None, "regular expression whose groups in a file name say the site", metavar="PATTERN", of="cover.site_pattern"
    )
    gsd: float | None = option(
        None,
        "meters along the side of a pixel, of all images that do not say so",
        metavar="METERS",
        limits={"gt": 0},
        of="cover.gsd",
    )
    pairs: str | None = option(
        None,
        f"CSV of two columns, an image of the first date and that of the second which shows the same plot; "
        f"`{NAMES}` = images of one id",
        metavar=f"CSV|{NAMES}",
    )
    align: Literal["none", "shift"] = option(
        "shift",
        "shift = what is left between two rasters of the same ground is measured by phase correlation and taken away; "
        "none = coordinates alone",
    )
    harmonize: bool = option(
        False,
        "give the second date the colors and the mean feature of the first, in OUT/harmonized, and show both results",
    )
    unit: Literal["auto", "image", "site"] = option(
        "auto", "what is drawn again for intervals over all sites; auto = site where both dates share eight at least"
    )
    tolerance: float = option(
        2.0,
        "pixels by which borders of classes may lie wrong: less than that is no certain change",
        limits={"gt": 0, "le": 64},
    )
    min_area: int = option(25, "pixels of the smallest polygon in the GeoPackage", limits={"ge": 1})
    n_resamples: int = option(2000, "resamples behind each 95% interval", limits={"ge": 100, "le": 100_000})
    seed: int = option(0, "seed of the resamples", limits={"ge": 0})
    device: str = option("auto", "where networks run: auto, cpu, cuda, cuda:1 or mps", of="runtime.device")
    workers: int = option(
        0, "processes and threads side by side; 0 = one per processor", limits={"ge": 0}, of="runtime.workers"
    )

    @model_validator(mode="after")
    def _one_way(self) -> ChangeOptions:
        if self.dates is not None and self.date_pattern is not None:
            raise ValueError(f"{named('dates')} and {named('date_pattern')} both say the dates; leave one out")
        if self.joint and self.harmonize:
            raise ValueError(
                f"{named('harmonize')} moves the second date towards the model of the first; {named('joint')} finds "
                "classes in both; leave one out"
            )
        return self
