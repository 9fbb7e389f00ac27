"""Point labels: a CSV of single labelled pixels, the way CoralNet and CPCe users work. Only evaluation reads them.

Columns in any order and case: image (or name, file name), row (or y), column (or x), label (or class, class index).
Row 0, column 0 is the top left pixel of the image as displayed; fractions mean the pixel they lie in.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.csv_files import IMAGE_COLUMN, column_of, read_table
from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.shown import quoted, shorten
from segpipe.images.id_lookup import ImageNames
from segpipe.records.class_names import fold
from segpipe.records.corpus import Image

Int64 = npt.NDArray[np.int64]

_COLUMNS = {
    "image": IMAGE_COLUMN,
    "row": ("row", "y"),
    "column": ("column", "col", "x"),
    "label": ("label", "labelname", "class", "classname", "category", "labelcode", "classindex", "labelindex"),
}
_DIGITS = 19  # of an index fewer; what is longer is a name
_IGNORED = (-1, 255, 65535)  # as in label maps, where no class has that index


@dataclass(frozen=True, slots=True)
class Points:
    """Labelled pixels of one image."""

    rows: Int64
    """(m,)"""
    cols: Int64
    """(m,)"""
    labels: Int64
    """(m,) class index."""


@dataclass(frozen=True, slots=True)
class PointLabels:
    """Points by the image's index, the class names, and rows per name that belongs to no image."""

    points: dict[int, Points]
    classes: tuple[str, ...]
    unmatched: Mapping[str, int]


def read_points(path: Path, images: Sequence[Image], *, classes: tuple[str, ...] | None) -> PointLabels:
    """Read a CSV of points; commas, semicolons or tabs.

    Args:
        path: the file, UTF-8 (or UTF-16 with its mark, as spreadsheets write).
        images: the corpus.
        classes: names in index order; None takes the names in the file, sorted, or `class i` for the indices in it.

    Raises:
        UsageError: a row is wrong; the message gives file and line.
        CorpusError: no row belongs to an image.
    """
    names, unmatched = ImageNames(images), dict[str, int]()
    found: dict[str, int | None] = {}
    texts: dict[str, int] = {}  # each label text to the line it was first seen on
    codes: dict[str, int] = {}
    places: dict[int, list[tuple[int, int, int]]] = {}
    for line, row in _rows(path):
        where, name, label = f"{path}:{line}", row["image"], row["label"]
        if name not in found:
            found[name] = _find(name, names, images, where)
        index = found[name]
        if index is None:
            unmatched[name] = unmatched.get(name, 0) + 1
            continue
        y = _pixel(row["row"], images[index].size.height, "row", images[index], where)
        x = _pixel(row["column"], images[index].size.width, "column", images[index], where)
        if not label:
            raise UsageError(f"{where}: the label is empty; fill it in or delete the row")
        texts.setdefault(label, line)
        places.setdefault(index, []).append((y, x, codes.setdefault(label, len(codes))))
    if not places and not unmatched:
        raise UsageError(f"{path}: no points; give a header with image, row, column, label and a row for each point")
    if not places:
        raise CorpusError(
            f"no row of {path} belongs to an image: {quoted(next(iter(unmatched)))} is not in the corpus, ids look "
            f"like {images[0].id!r}; name images by file name or relative path"
        )
    classes, meaning = _classes(texts, classes, path)
    return PointLabels(
        {index: _points(np.array(rows, np.int64), meaning) for index, rows in sorted(places.items())},
        classes,
        unmatched,
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and the four wanted fields of every row that is not empty."""
    columns: dict[str, int] | None = None
    for line, fields in read_table(path, option=named("labels")):
        if columns is None:
            columns = _columns(fields, path)
            continue
        yield line, {name: fields[place] for name, place in columns.items()}


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


def _find(name: str, names: ImageNames, images: Sequence[Image], where: str) -> int | None:
    fits = names.find(name)
    if len(fits) > 1:
        raise UsageError(
            f"{where}: {quoted(name)} fits {len(fits)} images, such as {images[fits[0]].path} and "
            f"{images[fits[1]].path}; write the relative path with its ending"
        )
    return fits[0] if fits else None


def _pixel(text: str, length: int, name: str, image: Image, where: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{where}: {name} {quoted(text)} is not a number; give the pixel's {name}, from 0")
    if not 0 <= value < length:
        raise UsageError(
            f"{where}: {name} {shorten(text)} lies outside {image.path} ({image.size.width} x {image.size.height}, "
            f"width x height); {name}s go from 0 to {length - 1} in pixels of the image file"
        )
    return math.floor(value)


def _classes(texts: Mapping[str, int], classes: tuple[str, ...] | None, path: Path) -> tuple[tuple[str, ...], Int64]:
    """Class names, and for each label text, in order, its class (-1: to be ignored)."""
    indices = [_index(text) for text in texts]
    if classes is None:
        if any(index is None for index in indices):
            _check_names(texts, path)
            classes = tuple(sorted(texts))
            return classes, np.array([classes.index(text) for text in texts], np.int64)
        values = sorted({index for index in indices if index is not None and index not in _IGNORED})
        places = {value: place for place, value in enumerate(values)}
        return tuple(f"class {value}" for value in values), np.array(
            [places.get(i, -1) for i in indices if i is not None]
        )
    meaning = []
    for (text, line), index in zip(texts.items(), indices, strict=True):
        if text in classes:
            meaning.append(classes.index(text))
        elif index is not None and 0 <= index < len(classes):
            meaning.append(index)
        elif index in _IGNORED:
            meaning.append(-1)
        else:
            raise UsageError(f"{path}:{line}: {_unknown(text, classes)}")
    return classes, np.array(meaning, np.int64)


def _check_names(texts: Mapping[str, int], path: Path) -> None:
    """Refuse names that differ in case or spaces alone, as classes.yaml does: they were hardly meant as two classes."""
    seen: dict[str, str] = {}
    for text, line in texts.items():
        first = seen.setdefault(fold(text), text)
        if first != text:
            raise UsageError(
                f"{path}:{line}: label {quoted(text)} and {quoted(first)} on line {texts[first]} differ in case or "
                "spaces alone; write them alike to make them one class, or make them differ"
            )


def _index(text: str) -> int | None:
    try:
        return int(text) if len(text) < _DIGITS else None
    except ValueError:
        return None


def _unknown(text: str, classes: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in classes}
    close = difflib.get_close_matches(shorten(text.casefold()), list(folded), 1)
    known = shorten(", ".join(classes[:8]))
    hint = f"did you mean {quoted(folded[close[0]])}?" if close else f"the classes file names {known}"
    return f"label {quoted(text)} is not one of the {len(classes)} classes; {hint}"


def _points(rows: Int64, meaning: Int64) -> Points:
    labels = meaning[rows[:, 2]]
    kept = labels >= 0
    return Points(rows[kept, 0], rows[kept, 1], labels[kept])
