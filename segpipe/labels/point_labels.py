"""Point labels: a CSV of single labelled pixels, the way CoralNet and CPCe users work. Only evaluation reads them.

Columns in any order and case: image (or name, file name), row (or y), column (or x), label (or class, class index).
Row 0, column 0 is the top left pixel of the image as displayed, or as stored where that is meant; fractions mean the
pixel they lie in.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.shown import quoted, shorten
from segpipe.images.id_lookup import ImageNames, is_elsewhere
from segpipe.labels.point_places import Marks, place_marks, upright
from segpipe.labels.point_table import PointTable, index_of
from segpipe.records.class_names import fold
from segpipe.records.corpus import Image
from segpipe.records.point_rules import PointRules

Int64 = npt.NDArray[np.int64]

log = logging.getLogger(__name__)

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


def read_points(
    path: Path,
    images: Sequence[Image],
    *,
    classes: tuple[str, ...] | None,
    rules: PointRules | None = None,
    orientation: Callable[[int], int] = upright,
) -> PointLabels:
    """Read a CSV of points; commas, semicolons or tabs.

    Args:
        path: the file, UTF-8 (or UTF-16 with its mark, as spreadsheets write).
        images: the corpus.
        classes: names in index order; None takes the names in the file, sorted, or `class i` for the indices in it.
        rules: what happens to points outside, and which picture rows and columns are counted in.
        orientation: from an image's index to its EXIF orientation, 1 to 8.

    Raises:
        UsageError: a row is wrong; the message gives file and line.
        CorpusError: no row belongs to an image.
    """
    table, unmatched = PointTable(path), dict[str, int]()
    marks, texts = _collect(table, images, unmatched)
    if not marks and not unmatched:
        raise UsageError(f"{path}: no points; give a header with image, row, column, label and a row for each point")
    if not marks:
        raise CorpusError(
            f"no row of {path} belongs to an image: {quoted(next(iter(unmatched)))} is not in the corpus, ids look "
            f"like {images[0].id!r}; name images by file name or relative path"
        )
    places = place_marks(marks, images, path, rules or PointRules(), orientation, table.coralnet)
    used = set[int]().union(*(np.unique(labels).tolist() for _, _, labels in places.values()))
    kept = {text: line for code, (text, line) in enumerate(texts.items()) if code in used}
    classes, values = _classes(kept, classes, table)
    meaning = np.full(len(texts), -1, np.int64)
    meaning[sorted(used)] = values
    return PointLabels({i: _points(*place, meaning) for i, place in sorted(places.items())}, classes, unmatched)


def _collect(
    table: PointTable, images: Sequence[Image], unmatched: dict[str, int]
) -> tuple[dict[int, Marks], dict[str, int]]:
    """Points by the image's index, their labels numbered; and each label text, in order, with the line it begins on."""
    names, found = ImageNames(images), dict[str, int | None]()
    texts, codes = dict[str, int](), dict[str, int]()
    whole: dict[int, str] = {}  # the path of another machine that an image was named by
    columns: dict[int, list[tuple[int, float, float, int]]] = {}
    for line, name, row, column, label in table.rows():
        where = f"{table.path}:{line}"
        if name not in found:
            found[name] = names.of_row(name, where)
            _check_path(name, found[name], whole, images, where)
        index = found[name]
        if index is None:
            unmatched[name] = unmatched.get(name, 0) + 1
            continue
        texts.setdefault(label, line)
        columns.setdefault(index, []).append((line, row, column, codes.setdefault(label, len(codes))))
    if whole:
        log.info("%s: %d images are named by paths of another place; their ends count", table.path.name, len(whole))
    marks = dict[int, Marks]()
    for index, rows in columns.items():
        lines, ys, xs, labels = zip(*rows, strict=True)
        marks[index] = Marks(
            np.array(lines, np.int64), np.array(ys, float), np.array(xs, float), np.array(labels, np.int64)
        )
    return marks, texts


def _check_path(name: str, index: int | None, whole: dict[int, str], images: Sequence[Image], where: str) -> None:
    """Refuse two paths of another machine that end alike: one of the two images is not here."""
    if index is None or not is_elsewhere(name):
        return
    first = whole.setdefault(index, name)
    if first != name:
        raise UsageError(
            f"{where}: {quoted(name)} and {quoted(first)} both end like {images[index].path}; name images by their "
            "path below the images' folder"
        )


def _classes(
    texts: Mapping[str, int], classes: tuple[str, ...] | None, table: PointTable
) -> tuple[tuple[str, ...], Int64]:
    """Class names, and for each label text, in order, its class (-1: to be ignored)."""
    ignored = () if table.own_numbers else _IGNORED
    meant = table.names([text for text in texts if index_of(text) not in ignored], classes)
    indices = [index_of(text) for text in texts]
    if classes is None:
        if any(index is None for index in indices):
            _check_names(texts, table.path)
            classes = tuple(sorted(texts))
            return classes, np.array([classes.index(text) for text in texts], np.int64)
        values = sorted({index for index in indices if index is not None and index not in ignored})
        called = {index: meant.get(text) or f"label {index}" for text, index in zip(texts, indices, strict=True)}
        places = {value: place for place, value in enumerate(values)}
        return tuple(called[value] for value in values), np.array([places.get(i, -1) for i in indices if i is not None])
    if table.own_numbers and not meant:
        raise UsageError(
            f"{table.path}:1: {named('classes')}: the column Label ID holds CoralNet's own numbers, no indices of "
            "classes; add a column of label names or codes, or leave the class names out"
        )
    meaning = []
    for (text, line), index in zip(texts.items(), indices, strict=True):
        if text in meant:
            meaning.append(classes.index(meant[text]))
        elif text in classes:
            meaning.append(classes.index(text))
        elif index is not None and 0 <= index < len(classes):
            meaning.append(index)
        elif index in _IGNORED:
            meaning.append(-1)
        else:
            raise UsageError(f"{table.path}:{line}: {_unknown(text, classes)}")
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


def _unknown(text: str, classes: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in classes}
    close = difflib.get_close_matches(shorten(text.casefold()), list(folded), 1)
    known = shorten(", ".join(classes[:8]))
    hint = f"did you mean {quoted(folded[close[0]])}?" if close else f"the classes file names {known}"
    return f"label {quoted(text)} is not one of the {len(classes)} classes; {hint}"


def _points(rows: Int64, cols: Int64, codes: Int64, meaning: Int64) -> Points:
    labels = meaning[codes]
    kept = labels >= 0
    return Points(rows[kept], cols[kept], labels[kept])
