"""Labelled points of a run: RUN/points.csv, as `name --points`, `cover --points`, `cluster --guide` take it.

A person may edit the file, in a spreadsheet too: it is read again whenever it has changed, and columns that are not
ours are kept.
"""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.base import files
from segpipe.base.csv_files import csv_text, read_table
from segpipe.base.errors import SegpipeError, UsageError
from segpipe.commands.view.asked import BadRequest
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.images.id_lookup import ImageNames
from segpipe.labels.point_table import PointTable

POINTS = "points.csv"
_HEADER = ("image", "row", "column", "label")


@dataclass(frozen=True, slots=True)
class LabelledPoint:
    """A point of the table."""

    id: str
    """By what it says, so that it is the same after others were taken out."""
    image: int | None
    """Index in the corpus; None where the name fits none, or several."""
    row: float
    col: float
    label: str
    fields: tuple[str, ...]
    """Of the table's row as it is."""
    line: int
    """Of the file, from 1."""

    def described(self) -> dict[str, Any]:
        """For the page."""
        return {"id": self.id, "image": self.image, "row": self.row, "col": self.col, "label": self.label}


@dataclass(frozen=True, slots=True)
class PointChange:
    """A row that was added or taken out."""

    command: str
    """That does the same."""
    cells: tuple[str, ...]
    place: int
    """Points before it."""
    label: str
    made: bool
    """Whether there was no file before."""


class PointFile:
    """The file of points of a run."""

    def __init__(self, run: OpenedRun) -> None:
        self._run = run
        self.path = run.root / POINTS

    def read(self) -> list[LabelledPoint]:
        """All points, in the order of the file; none where there is no file.

        Raises:
            UsageError: the file is wrong; the message gives the line.
        """
        return self.table()[1]

    def table(self) -> tuple[Sequence[str], list[LabelledPoint]]:
        """The header and the points.

        Raises:
            UsageError: the file is wrong; the message gives the line.
        """
        if not self.path.exists() or not self.path.stat().st_size:
            return _HEADER, []
        table = PointTable(self.path)
        rows = list(table.rows())
        lines = dict(read_table(self.path, option="points"))
        try:
            names: ImageNames | None = ImageNames(self._run.corpus.images)
        except SegpipeError:
            names = None
        found, seen = list[LabelledPoint](), Counter[str]()
        for row in rows:
            key = f"{row.image}\0{row.row:g}\0{row.column:g}\0{row.label}"
            seen[key] += 1
            fits = names.find(row.image) if names else []
            found.append(
                LabelledPoint(
                    _id(key, seen[key]),
                    fits[0] if len(fits) == 1 else None,
                    row.row,
                    row.column,
                    row.label,
                    tuple(lines[row.line]),
                    row.line,
                )
            )
        header = table.header or next(iter(lines.values()), list(_HEADER))
        return header, found

    def added(self, cells: Sequence[str], place: int | None = None) -> PointChange:
        """Add a row, at the end or where it was; the caller holds the run's lock.

        Raises:
            UsageError: the file is wrong.
        """
        header, points = self.table()
        made = not self.path.exists()
        rows = [point.fields for point in points]
        at = len(rows) if place is None else min(place, len(rows))
        self._write(header, [*rows[:at], tuple(cells), *rows[at:]])
        lines = csv_text(header, [cells]).splitlines(keepends=True)
        shown = shlex.quote((lines[0] if made else "") + lines[-1].rstrip("\n"))
        where = shlex.quote(str(self.path))
        label = self.read()[at].label
        return PointChange(f"printf '%s\\n' {shown} >> {where}", tuple(cells), at, label, made)

    def taken(self, wanted: str) -> PointChange:
        """Take a point out, by its id; the caller holds the run's lock.

        Raises:
            NotHere: there is no such point.
            UsageError: the file is wrong.
        """
        header, points = self.table()
        at = next((i for i, point in enumerate(points) if point.id == wanted), None)
        if at is None:
            raise NotHere("that point is not in points.csv any more")
        return self._take(header, points, at, remove=False)

    def taken_row(self, cells: Sequence[str], *, remove: bool) -> PointChange:
        """Take out the last row that reads so.

        Args:
            cells: of the row.
            remove: the file too, where no point is left.

        Raises:
            BadRequest: no row reads so: somebody has changed it since.
            UsageError: the file is wrong.
        """
        header, points = self.table()
        at = next((i for i in range(len(points) - 1, -1, -1) if points[i].fields == tuple(cells)), None)
        if at is None:
            raise BadRequest(f"the point {','.join(cells)} was changed in points.csv since; change it there")
        return self._take(header, points, at, remove=remove)

    def _take(self, header: Sequence[str], points: Sequence[LabelledPoint], at: int, *, remove: bool) -> PointChange:
        gone = points[at]
        left = [point.fields for i, point in enumerate(points) if i != at]
        if remove and not left:
            self.path.unlink()
        else:
            self._write(header, left)
        command = f"sed -i {gone.line}d {shlex.quote(str(self.path))}"
        return PointChange(command, gone.fields, at, gone.label, False)

    def _write(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        files.write_text(self.path, csv_text(header, rows))

    def new_row(self, image: int, row: float, col: float, label: str) -> tuple[str, ...]:
        """A point as a row of the file, in the columns that the file has.

        Raises:
            UsageError: the file is wrong, or the place lies outside the image.
        """
        shown = self._run.image(image)
        if not (0 <= row < shown.size.height and 0 <= col < shown.size.width):
            raise UsageError(
                f"row {row:g}, column {col:g} lies outside {shown.path}, which has {shown.size.height} rows and "
                f"{shown.size.width} columns"
            )
        values = {"image": shown.path, "row": plain_number(row), "column": plain_number(col), "label": label}
        if not self.path.exists() or not self.path.stat().st_size:
            return tuple(values[name] for name in _HEADER)
        table = PointTable(self.path)
        list(table.rows())
        header = table.header or next(read_table(self.path, option="points"))[1]
        columns = table.columns or {name: list(header).index(name) for name in _HEADER if name in header}
        cells = [""] * len(header)
        for name, place in columns.items():
            cells[place] = values[name]
        return tuple(cells)


def plain_number(value: float) -> str:
    """A coordinate with at most two decimals.

    >>> plain_number(120.0), plain_number(88.456)
    ('120', '88.46')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _id(key: str, count: int) -> str:
    digest = hashlib.sha256(f"{key}\0{count}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"p{digest[:12]}"
