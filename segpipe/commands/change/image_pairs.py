"""Which image of the second date shows what an image of the first does: by a table, by ids, or by coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segpipe.base.csv_files import column_of, read_table
from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.geometry import Box
from segpipe.base.shown import quoted
from segpipe.commands.change.options import NAMES
from segpipe.commands.change.survey import SurveyDate
from segpipe.images.id_lookup import ImageNames
from segpipe.ops.change.ground_grid import GroundLink, linkable
from segpipe.pipeline import log
from segpipe.records.corpus import Image

_FIRST = ("imagea", "a", "first", "before", "image1")
_SECOND = ("imageb", "b", "second", "after", "image2")


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two images of the same ground or plot."""

    first: int
    """Index into the corpus of the first date."""
    second: int
    placed: bool
    """Whether coordinates say which pixels correspond."""


def find_pairs(first: SurveyDate, second: SurveyDate, pairs: str | None) -> list[ImagePair]:
    """The pairs, in the order of the first date's images; none where nothing pairs them.

    Args:
        first: a date.
        second: the other date.
        pairs: what the user says: a CSV, `names`, or None. Rasters on the earth are paired without it.

    Raises:
        UsageError: the table is wrong, or names an image twice.
        CorpusError: no row of it belongs to images of both dates.
    """
    if pairs is None:
        return _by_ground(first, second)
    rows = _by_names(first, second) if pairs == NAMES else _by_table(Path(pairs), first, second)
    found = []
    for a, b in sorted(rows):
        one, other = first.corpus.images[a].geo, second.corpus.images[b].geo
        found.append(ImagePair(a, b, linkable(one, other)))
    return found


def _by_names(first: SurveyDate, second: SurveyDate) -> list[tuple[int, int]]:
    places = {second.own_name(i): i for i in second.images}
    found = [(i, places[name]) for i in first.images if (name := first.own_name(i)) in places]
    if not found:
        raise CorpusError(
            f"{named('pairs', NAMES)}: no id, such as {first.own_name(first.images[0])}, is there at both dates; "
            "give a CSV"
        )
    return found


def _by_table(path: Path, first: SurveyDate, second: SurveyDate) -> list[tuple[int, int]]:
    rows = read_table(path, option=named("pairs"))
    line, header = next(rows, (1, list[str]()))
    if len(header) < 2:
        raise UsageError(f"{path}:{line}: needs two columns, the images of the first and of the second date")
    at = [column_of(header, _FIRST), column_of(header, _SECOND)]
    places = [0 if at[0] is None else at[0], 1 if at[1] is None else at[1]]
    sides = [(ImageNames(side.corpus.images), frozenset(side.images)) for side in (first, second)]
    if all(own.intersection(names.find(header[place])) for (names, own), place in zip(sides, places, strict=True)):
        raise UsageError(f"{path}:{line}: this row names images; put a first line such as before,after above it")
    used: list[dict[int, int]] = [{}, {}]
    found, unknown = [], list[str]()
    for line, fields in rows:
        pair = []
        for (names, own), place in zip(sides, places, strict=True):
            image = names.of_row(fields[place], f"{path}:{line}", among=own)
            if image is None:
                unknown.append(f"{fields[place]} on line {line}")
            else:
                pair.append(image)
        if len(pair) < 2:
            continue
        for side, image in enumerate(pair):
            if image in used[side]:
                raise UsageError(
                    f"{path}:{line}: {quoted(fields[places[side]])} stands on line {used[side][image]} too; an image "
                    "belongs to one pair"
                )
            used[side][image] = line
        found.append((pair[0], pair[1]))
    if not found:
        raise CorpusError(
            f"no row of {path} belongs to images of both dates; ids look like {first.corpus.images[0].id} and "
            f"{second.corpus.images[0].id}"
        )
    if unknown:
        log.warning("%s: %d names fit no image of their date, such as %s", path, len(unknown), unknown[0])
    return found


def _by_ground(first: SurveyDate, second: SurveyDate) -> list[ImagePair]:
    """Of every raster of the first date that raster of the second which shares most ground with it."""
    found, taken = [], set[int]()
    for a in first.images:
        one = first.corpus.images[a]
        best: tuple[int, int] | None = None
        for b in second.images:
            other = second.corpus.images[b]
            if b in taken or not linkable(one.geo, other.geo) or _apart(one, other):
                continue
            box = GroundLink(one.geo, other.geo).common(one.size, other.size)
            if box is not None and (best is None or _pixels(box) > best[0]):
                best = _pixels(box), b
        if best is not None:
            taken.add(best[1])
            found.append(ImagePair(a, best[1], placed=True))
    return found


def _apart(one: Image, other: Image) -> bool:
    """Whether rasters of one coordinate system lie apart, by their bounds alone: quick, where there are many."""
    if one.geo is None or other.geo is None or one.geo.crs != other.geo.crs:
        return False
    bounds = []
    for geo, size in ((one.geo, one.size), (other.geo, other.size)):
        corners = [geo.at(row, col) for row in (0, size.height) for col in (0, size.width)]
        bounds.append([(min(values), max(values)) for values in zip(*corners, strict=True)])
    return any(a[1] <= b[0] or b[1] <= a[0] for a, b in zip(*bounds, strict=True))


def _pixels(box: Box) -> int:
    return box.height * box.width
