"""Tables of labelled points: which columns hold what, and their rows as they are written."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from segpipe.base.csv_files import IMAGE_COLUMN, column_of, plain, read_table
from segpipe.base.errors import UsageError, named
from segpipe.base.shown import quoted, shorten
from segpipe.records.class_names import fold

log = logging.getLogger(__name__)

_OWN_NUMBERS = "labelid"  # CoralNet's: numbers of its own, no indices into a list of names
_COLUMNS = {
    "image": IMAGE_COLUMN,
    "row": ("row", "y"),
    "column": ("column", "col", "x"),
    "label": (
        *("label", "labelname", "class", "classname", "category", "labelcode", "labelshortcode", "classindex"),
        *("labelindex", _OWN_NUMBERS),
    ),
}
_MOST_NAMES = 10_000  # of a column: more are no names of classes
_DIGITS = 19  # of an index fewer; what is longer is a name


class PointRow(NamedTuple):
    """A row of the table."""

    line: int
    image: str
    row: float
    """As written; pixels from the top left corner of the image."""
    column: float
    label: str


@dataclass(slots=True)
class PointTable:
    """A table of points, read row by row."""

    path: Path
    columns: Mapping[str, int] = field(default_factory=dict)
    """Where image, row, column and label are; known once a row was read."""
    header: Sequence[str] = ()
    _names: dict[int, dict[str, set[str]]] = field(default_factory=dict)
    """Of every other column that may name the labels: what it says of each label."""
    _owners: dict[int, dict[str, str]] = field(default_factory=dict)
    """The label that each name of these columns stands beside."""

    def rows(self) -> Iterator[PointRow]:
        """The rows that are not empty.

        Raises:
            UsageError: a column is missing, or a number is none; the message gives file and line.
        """
        for line, fields in read_table(self.path, option=named("labels")):
            if not self.header:
                self.header, self.columns = fields, _columns(fields, self.path)
                others = [i for i in range(len(fields)) if i not in self.columns.values()]
                self._names, self._owners = {i: {} for i in others}, {i: {} for i in others}
                taken = ", ".join(self.header[place] for place in self.columns.values())
                log.info("%s: %s of %s", self.path.name, shorten(taken, 200), shorten(", ".join(self.header), 200))
                continue
            image, row, column, label = (fields[place] for place in self.columns.values())
            where = f"{self.path}:{line}"
            found = PointRow(line, image, _number(row, "row", where), _number(column, "column", where), label)
            if not label:
                raise UsageError(f"{where}: the label is empty; fill it in or delete the row")
            self._learn(label, fields)
            yield found

    @property
    def coralnet(self) -> bool:
        """Whether the columns are those that CoralNet writes."""
        return {"Name", "Row", "Column", "Label"} <= {*self.header}

    @property
    def own_numbers(self) -> bool:
        """Whether labels are numbers of another program, and no indices of classes."""
        return bool(self.header) and plain(self.header[self.columns["label"]]) == _OWN_NUMBERS

    def names(self, labels: Sequence[str], classes: Sequence[str] | None) -> Mapping[str, str]:
        """The names of labels by another column, where labels are numbers alone.

        No name may stand beside two labels, and half of the labels must have one name each; a label with several (what
        was put together) stays a number.

        Args:
            labels: as the table has them.
            classes: the names that are known; None: any name will do.
        """
        if len(labels) < 2 or any(index_of(label) is None for label in labels):
            return {}
        for place, said in self._names.items():
            found = {label: next(iter(names)) for label in labels if len(names := said.get(label, ())) == 1}
            apart = len({fold(name) for name in found.values()}) == len(found) and 2 * len(found) >= len(labels)
            if apart and all(found.values()) and (classes is None or all(name in classes for name in found.values())):
                label, heading = self.header[self.columns["label"]], self.header[place]
                log.info("%s: %s holds numbers, names are those of %s", self.path.name, label, shorten(heading))
                return found
        return {}

    def _learn(self, label: str, fields: Sequence[str]) -> None:
        """Keep what other columns call the label; columns of numbers, or with one name for two labels, name nothing."""
        for place in [*self._names]:
            name, said, owners = fields[place], self._names[place], self._owners[place]
            first = owners.setdefault(name, label) if name else label
            if first != label or _is_number(name) or len(owners) > _MOST_NAMES:
                del self._names[place], self._owners[place]
            else:
                said.setdefault(label, set()).add(name)


def index_of(label: str) -> int | None:
    """The index that a label is, or None where it is a name."""
    try:
        return int(label) if len(label) < _DIGITS else None
    except ValueError:
        return None


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _columns(header: Sequence[str], path: Path) -> dict[str, int]:
    """Where the wanted columns are; of several that would do the first in `_COLUMNS` is taken."""
    found = {}
    for wanted, spellings in _COLUMNS.items():
        place = column_of(header, spellings)
        if place is None:
            raise UsageError(
                f"{path}:1: no column for {wanted!r} among {shorten(', '.join(header))}; needed are image, row, "
                "column, label (name, y, x, class_index do too)"
            )
        found[wanted] = place
    return found


def _number(text: str, name: str, where: str) -> float:
    """A number as people write it: a comma may stand for the point, where that cannot mean thousands."""
    decimal = re.fullmatch(r"([-+]?\d*),(\d*)", text)
    if decimal and len(decimal[2]) == 3 and decimal[1].lstrip("-+") not in ("", "0"):
        raise UsageError(
            f"{where}: {name} {quoted(text)} may be {decimal[1]}.{decimal[2]} or {decimal[1]}{decimal[2]}; write it "
            "without a comma"
        )
    try:
        value = float(text.replace(",", ".") if decimal else text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{where}: {name} {quoted(text)} is not a number; give the pixel's {name}, from 0")
    return value
