"""Which site an image belongs to, and how much ground its pixels show: a CSV that names images.

Columns in any order and case: image (or name, file name), the column that says the site, and if there is one gsd
(or m_per_px): meters on the ground along the side of a pixel.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from segpipe.base.csv_files import IMAGE_COLUMN, column_of, plain, read_table
from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.shown import quoted, shorten
from segpipe.images.id_lookup import ImageNames
from segpipe.records.class_names import fold
from segpipe.records.corpus import Image

_SITES = ("site", "transect", "dive", "station", "plot", "quadrat", "location", "area", "reef")
_GSD = ("gsd", "mperpx", "meterperpixel", "metersperpixel", "mperpixel")
_EXAMPLE = r'"(?P<dive>D\d+)_"'


@dataclass(frozen=True, slots=True)
class Sites:
    """What a table says of images, by their index."""

    by: str
    """Heading of the column that says the site; empty where none was wanted."""
    sites: dict[int, str] = field(default_factory=dict)
    gsd: dict[int, float] = field(default_factory=dict)
    """Meters along the side of a pixel."""
    unmatched: tuple[str, ...] = ()
    """Names that belong to no image."""


def read_sites(path: Path, images: Sequence[Image], *, by: str | None) -> Sites:
    """Read a CSV of sites.

    Args:
        path: the file.
        images: the corpus.
        by: heading of the column that says the site; empty takes `site`, `transect` and so on, or the only other
            one; None wants none, and takes what else the table says.

    Raises:
        UsageError: a column or row is wrong; the message gives file and line.
        CorpusError: no row belongs to an image.
    """
    rows = read_table(path, option=named("cover.sites"))
    line, header = next(rows, (1, []))
    image_at = column_of(header, IMAGE_COLUMN)
    if image_at is None:
        raise UsageError(f"{path}:{line}: no column for 'image' among {shorten(', '.join(header)) or 'no headings'}")
    gsd_at = column_of(header, _GSD)
    site_at = None if by is None else _site_column(path, line, header, by, image_at)
    names, unmatched = ImageNames(images), list[str]()
    sites, gsd, lines = dict[int, str](), dict[int, float](), dict[int, int]()
    spelled: dict[str, str] = {}
    for line, fields in rows:
        index = names.of_row(fields[image_at], f"{path}:{line}")
        if index is None:
            unmatched.append(fields[image_at])
            continue
        site = "" if site_at is None else fields[site_at]
        first = spelled.setdefault(fold(site), site)
        if first != site:
            raise UsageError(
                f"{path}:{line}: sites {quoted(site)} and {quoted(first)} differ in case or spaces alone; write them "
                "alike to make them one site, or make them differ"
            )
        if sites.get(index, site) != site:
            raise UsageError(
                f"{path}:{line}: {quoted(fields[image_at])} belongs to {quoted(site)} here and to "
                f"{quoted(sites[index])} on line {lines[index]}; an image belongs to one site"
            )
        sites[index], lines[index] = site, line
        if gsd_at is not None and fields[gsd_at]:
            gsd[index] = _length(fields[gsd_at], f"{path}:{line}", header[gsd_at])
    if not sites:
        first = f": {quoted(unmatched[0])} is not in the corpus, ids look like {images[0].id!r}" if unmatched else ""
        raise CorpusError(f"no row of {path} belongs to an image{first}; name images by file name or relative path")
    return Sites("" if site_at is None else header[site_at], sites, gsd, tuple(unmatched))


def sites_by_pattern(pattern: str, images: Sequence[Image]) -> Sites:
    """Sites by a regular expression that is looked for in file names, of a frame in that of its video.

    Args:
        pattern: its groups say the site, those with names if it has some; without groups all that it finds does.
        images: the corpus.

    Raises:
        UsageError: it is no regular expression, or is found in no name.
    """
    said = named("cover.site_pattern", pattern)
    try:
        wanted = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{said}: not a regular expression ({error}); such as {_EXAMPLE}") from error
    groups = sorted(wanted.groupindex.values()) or list(range(1, wanted.groups + 1)) or [0]
    names = [PurePosixPath(image.moment.video if image.moment else image.path).name for image in images]
    found = [(i, match) for i, name in enumerate(names) if (match := wanted.search(name)) is not None]
    sites = {i: " ".join(filter(None, (match[group] for group in groups))) for i, match in found}
    if not any(sites.values()):
        raise UsageError(f"{said}: in no name of an image, such as {quoted(names[0])}; write one such as {_EXAMPLE}")
    by = ", ".join(sorted(wanted.groupindex, key=wanted.groupindex.__getitem__)) or "site"
    unmatched = tuple(name for i, name in enumerate(names) if not sites.get(i))
    return Sites(by, sites, unmatched=unmatched)


def _site_column(path: Path, line: int, header: Sequence[str], by: str, image_at: int) -> int:
    if by:
        place = column_of(header, (plain(by),))
        if place is None:
            close = difflib.get_close_matches(by, [shorten(field) for field in header], 1)
            hint = f"did you mean {quoted(close[0])}?" if close else f"columns are {shorten(', '.join(header))}"
            raise UsageError(f"{path}:{line}: {named('cover.by', by)}: there is no such column; {hint}")
        return place
    place = column_of(header, _SITES)
    if place is not None:
        return place
    gsd_at = column_of(header, _GSD)
    others = [i for i in range(len(header)) if i not in (image_at, gsd_at)]
    if len(others) != 1:
        known = shorten(", ".join(header[i] for i in others))
        raise UsageError(
            f"{path}:{line}: which column says the site? give {named('cover.by')}, one of {known or 'no other'}"
        )
    return others[0]


def _length(text: str, where: str, heading: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        said = f"{shorten(heading)} {quoted(text)} is no length"
        raise UsageError(f"{where}: {said}; give meters along the side of a pixel, as 0.0005")
    return value
