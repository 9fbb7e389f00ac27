"""What a run covers to files and back.

cover/cover.json           all of it
cover/cover_images.csv     image, site, class, name, share, pixels, area_m2, clusters (of the class)
cover/cover_sites.csv      site, images, class, name, share, low, high, pixels, area_m2, area_low, area_high, note
cover/cover_all.csv        the same of all images
cover/cover_corrected.csv  a line per label, where labels were given; cover_confusion.csv: class of the map x label
cover/cover_sites_corrected.csv  the same by site, by the errors of all sites together
cover/cover_points.csv     a line per labelled point, where points were given
cover/time.csv             a line per film, second and class, where there are videos
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segpipe.base import files
from segpipe.base.csv_files import csv_text
from segpipe.base.errors import UsageError
from segpipe.base.printable import readable
from segpipe.base.shortage import raise_shortage
from segpipe.records.cover import Correction, Cover, Part, PointJudged, Share


def save_cover(cover: Cover, directory: Path) -> None:
    """Write all files."""

    def of(row: Share) -> str:
        return " ".join(map(str, cover.clusters[row.number])) if cover.clusters else ""

    files.write_text(directory / "cover.json", cover.model_dump_json(indent=1) + "\n")
    _write(
        directory / "cover_images.csv",
        ["image", "site", "class", "name", "share", "pixels", "area_m2", "clusters"],
        (
            [part.name, part.site, row.number, row.name, _number(row.share), row.pixels, _number(row.area), of(row)]
            for part in cover.images
            for row in part.shares
        ),
    )
    sites = ([*row, of(share)] for part in cover.sites for row, share in zip(_rows(part), part.shares, strict=True))
    _write(directory / "cover_sites.csv", ["site", *_COLUMNS], sites)
    whole = ([*row[1:], of(share)] for row, share in zip(_rows(cover.whole), cover.whole.shares, strict=True))
    _write(directory / "cover_all.csv", list(_COLUMNS), whole)
    if cover.correction is not None:
        _save_correction(cover.correction, cover.classes, directory)


_COLUMNS = (
    "images", "class", "name", "share", "low", "high", "pixels", "area_m2", "area_low", "area_high", "note",
    "clusters",
)  # fmt: skip


def _rows(part: Part) -> Iterable[list[Any]]:
    whole = sum(row.area or 0.0 for row in part.shares)
    for row in part.shares:
        low, high = (_number(_scaled(row, end, whole)) for end in (row.low, row.high))
        yield [
            part.name, part.images, row.number, row.name, _number(row.share), _number(row.low), _number(row.high),
            row.pixels, _number(row.area), low, high, part.note,
        ]  # fmt: skip


def _scaled(row: Share, end: float | None, whole: float) -> float | None:
    """An end of the interval as an area: the ground that was photographed is known, how it is shared out is not."""
    if end is None or row.area is None:
        return None
    return row.area / row.share * end if row.share else whole * end


def _save_correction(found: Correction, classes: Sequence[str], directory: Path) -> None:
    _write(
        directory / "cover_corrected.csv",
        ["label", "points", "map_share", "corrected", "low", "high", "share_of_labels", "share_of_map_at_labels",
         "note"],
        (
            [row.label, row.pixels, _number(row.raw), _number(row.share), _number(row.low), _number(row.high),
             _number(row.labelled), _number(row.found), found.note]
            for row in found.labels
        ),
    )  # fmt: skip
    _write(
        directory / "cover_confusion.csv",
        ["class of the map", *(row.label for row in found.labels)],
        ([name, *row] for name, row in zip(classes, found.confusion, strict=True)),
    )
    if found.sites:
        _write(
            directory / "cover_sites_corrected.csv",
            ["site", "images", "label", "points", "map_share", "corrected", "low", "high", "unseen", "note"],
            (
                [site.name, site.images, row.label, row.pixels, _number(row.raw), _number(row.share), _number(row.low),
                 _number(row.high), _number(site.unseen), site.note]
                for site in found.sites
                for row in site.labels
            ),
        )  # fmt: skip


def save_points(points: Iterable[PointJudged], directory: Path) -> None:
    """Write cover_points.csv: a line per labelled point."""
    _write(
        directory / "cover_points.csv",
        ["image", "site", "row", "column", "label", "class", "right"],
        (
            [readable(p.image), readable(p.site), p.row, p.column, p.label, p.name, "yes" if p.right else "no"]
            for p in points
        ),
    )


def save_time(rows: Iterable[Sequence[Any]], directory: Path) -> None:
    """Write time.csv: a line per film, second and class; numbers that are not known are None."""
    _write(
        directory / "time.csv",
        ["film", "second", "class", "name", "share", "low", "high", "frames", "scenes", "note"],
        ([_number(value) if isinstance(value, float) or value is None else value for value in row] for row in rows),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    files.write_text(path, csv_text(header, rows))


def load_cover(directory: Path) -> Cover:
    """Read it again.

    Raises:
        UsageError: the file is missing or damaged.
    """
    path = directory / "cover.json"
    try:
        return Cover.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path} is missing or damaged; make it again with `segpipe cover`") from error
