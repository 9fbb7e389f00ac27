"""The images of one date, their masks in the classes of the first, and their sites."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.csv_files import IMAGE_COLUMN, column_of, read_table
from segpipe.base.errors import UsageError, named
from segpipe.base.geometry import Box
from segpipe.base.shown import quoted, shorten
from segpipe.commands.change.options import ChangeOptions
from segpipe.images.id_lookup import ImageNames
from segpipe.pipeline import log
from segpipe.records.corpus import Corpus
from segpipe.records.legend import Legend
from segpipe.stages.cover.estimates import FOLDER, TOP, Counted, count_images
from segpipe.stages.cover.sites import Sites, read_sites, sites_by_pattern
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir

_DATE = ("date", "survey", "year", "time", "epoch", "visit")


@dataclass(frozen=True)
class SurveyDate:
    """The images of a date: all of a run, or some."""

    run_dir: RunDir
    corpus: Corpus
    images: tuple[int, ...]
    """Indices into the corpus, ascending."""
    index: Sequence[Mapping[str, Any]]
    """Lines of the masks, in the corpus's order."""
    legend: Legend
    name: str
    """What the date is called."""
    without: re.Pattern[str] | None = None
    """What folders hold besides the site: the date."""
    under: str = ""
    """The folder of its images in a corpus of both dates, which is no part of their sites and names."""
    shift: npt.NDArray[np.float32] | None = None
    """(d,) what is taken away from its features; None: nothing."""

    @cached_property
    def directory(self) -> Path:
        """`masks/` of the run."""
        return self.run_dir.path("masks")

    def labels(self, image: int, box: Box | None = None) -> masks.Mask:
        """The classes (h, w) of an image, or of a box of it."""
        return self.legend.read(masks.read_part(self.directory, self.index[image], box))

    def place_of(self, name: str) -> int:
        """Index of the date's image with this id, which is there."""
        return next(i for i in self.images if self.corpus.images[i].id == name)

    def own_name(self, image: int) -> str:
        """The id of an image without what says its date: as it would be called if its date were alone."""
        name = self.corpus.images[image].id
        if self.without is not None:
            name = self.without.sub("", name)
        return name.removeprefix(f"{self.under}/") if self.under else name

    def count(self, options: ChangeOptions) -> Counted:
        """Pixels by class, site and ground of every image of the corpus."""
        table = _sites(options, self)
        index = masks.by_class(self.index, self.legend)
        return count_images(self.corpus, index, table, classes=self.legend.classes, gsd=options.gsd)


def open_survey(run_dir: RunDir, legend: Legend, name: str) -> SurveyDate:
    """All images of a run.

    Raises:
        UsageError: masks are missing or damaged.
    """
    corpus = load_corpus(run_dir.path("corpus"))
    index = masks.load_index(run_dir.path("masks"))
    return SurveyDate(run_dir, corpus, tuple(range(len(corpus.images))), index, legend, name)


def split_dates(both: SurveyDate, options: ChangeOptions) -> tuple[SurveyDate, SurveyDate]:
    """The two dates of a run that holds both, the earlier one (by name) first.

    Raises:
        UsageError: nothing says the dates, or they are not two.
    """
    if options.dates is None and options.date_pattern is None:
        raise UsageError(
            f"{both.run_dir.root} is named for both dates; say which images are of which by {named('dates', 'CSV')} "
            f"or {named('date_pattern', '(20[0-9][0-9])')}"
        )
    pattern = None if options.date_pattern is None else _pattern(options.date_pattern)
    said = _by_table(options.dates, both) if pattern is None else _by_pattern(pattern, both)
    found = {image: name for image, name in said.items() if name}
    names = sorted(set(found.values()))
    if len(names) != 2:
        some = shorten(", ".join(names)) or "none"
        raise UsageError(
            f"{both.run_dir.root}: {len(names)} dates in its images ({some}), and two are compared; give "
            f"{named('dates')} or {named('date_pattern')} that finds two"
        )
    sides = [tuple(i for i in both.images if found.get(i) == name) for name in names]
    left = [both.corpus.images[i].id for i in both.images if i not in found]
    if left:
        log.warning("%d images have no date and are left out, such as %s", len(left), left[0])
    first, second = (
        SurveyDate(both.run_dir, both.corpus, images, both.index, both.legend, name, pattern)
        for images, name in zip(sides, names, strict=True)
    )
    return first, second


def _pattern(text: str) -> re.Pattern[str]:
    said = named("date_pattern", text)
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{said}: not a regular expression ({error}); such as (20[0-9][0-9])") from error


def _by_pattern(pattern: re.Pattern[str], both: SurveyDate) -> dict[int, str]:
    found = ((i, pattern.search(both.corpus.images[i].path)) for i in both.images)
    return {i: match[1 if pattern.groups else 0] or "" for i, match in found if match is not None}


def _by_table(path: Path | None, both: SurveyDate) -> dict[int, str]:
    assert path is not None
    rows = read_table(path, option=named("dates"))
    line, header = next(rows, (1, list[str]()))
    image_at, date_at = column_of(header, IMAGE_COLUMN), column_of(header, _DATE)
    if image_at is None or date_at is None:
        raise UsageError(f"{path}:{line}: needs columns `image` and `date`, has {shorten(', '.join(header)) or 'none'}")
    names, found = ImageNames(both.corpus.images), dict[int, str]()
    for line, fields in rows:
        image = names.of_row(fields[image_at], f"{path}:{line}")
        if image is not None and found.setdefault(image, fields[date_at]) != fields[date_at]:
            raise UsageError(
                f"{path}:{line}: {quoted(fields[image_at])} is of {quoted(fields[date_at])} here and of "
                f"{quoted(found[image])} above; an image is of one date"
            )
    return found


def _sites(options: ChangeOptions, survey: SurveyDate) -> Sites | None:
    """What says the sites; None: folders."""
    corpus, without = survey.corpus, survey.without
    if options.site_pattern is not None:
        return sites_by_pattern(options.site_pattern, corpus.images)
    if options.sites is not None:
        return read_sites(options.sites, corpus.images, by=None if options.by == FOLDER else options.by)
    if options.by not in ("", FOLDER):
        raise UsageError(f"{named('by', options.by)} is a column of a table of sites; give it with {named('sites')}")
    if without is None and not survey.under:
        return None
    folders = [image.id.rpartition("/")[0] for image in corpus.images]
    if without is not None:
        folders = [without.sub("", name).strip("/_- ") or "all" for name in folders]
    else:
        folders = [f"{name}/".removeprefix(f"{survey.under}/").strip("/") or TOP for name in folders]
    return Sites(FOLDER, dict(enumerate(folders)))
