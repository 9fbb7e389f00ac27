"""Where labelled points lie in images as displayed, whichever way the program that wrote them counts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.base.shown import shorten
from segpipe.images.orientation import displayed
from segpipe.records.corpus import Image
from segpipe.records.point_rules import PointRules

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Marks:
    """The points of an image as a table has them."""

    lines: Int64
    """(m,) of the table."""
    rows: Float64
    """(m,)"""
    cols: Float64
    """(m,)"""
    labels: Int64
    """(m,)"""


def upright(image: int) -> int:
    """The orientation of images that nothing turns."""
    return 1


def place_marks(
    marks: Mapping[int, Marks],
    images: Sequence[Image],
    path: Path,
    rules: PointRules,
    orientation: Callable[[int], int],
    coralnet: bool = False,
) -> dict[int, tuple[Int64, Int64, Int64]]:
    """Rows, columns and labels (m,) of every image, in pixels of the image as displayed.

    Args:
        marks: points by the image's index.
        images: the corpus.
        path: of the table, for messages.
        rules: what happens to points outside, and which picture is meant.
        orientation: from an image's index to its EXIF orientation, 1 to 8.
        coralnet: whether the table has CoralNet's columns; CoralNet counts in the stored picture.

    Raises:
        UsageError: a point lies outside, and that is not to be skipped.
    """
    turned = {i: way for i in marks if (way := orientation(i)) != 1}
    stored = turned and _counted_in_stored(marks, images, path, rules, turned, coralnet)
    found, outside = dict[int, tuple[Int64, Int64, Int64]](), list[tuple[int, int, int]]()
    for i, mark in marks.items():
        rows, cols = _pixels(mark.rows), _pixels(mark.cols)
        if stored and i in turned:
            rows, cols = displayed(rows, cols, images[i].size, turned[i])
        inside = _inside(rows, cols, images[i])
        outside += [(int(mark.lines[at]), i, int(at)) for at in np.flatnonzero(~inside)]
        found[i] = rows[inside], cols[inside], mark.labels[inside]
    if outside:
        _tell_outside(sorted(outside), marks, images, path, rules)
    return found


def _pixels(places: Float64) -> Int64:
    """The pixels that places lie in."""
    return np.asarray(np.floor(places.clip(-(2.0**40), 2.0**40)), np.int64)


def _inside(rows: Int64, cols: Int64, image: Image) -> Bools:
    return (rows >= 0) & (rows < image.size.height) & (cols >= 0) & (cols < image.size.width)


def _counted_in_stored(
    marks: Mapping[int, Marks],
    images: Sequence[Image],
    path: Path,
    rules: PointRules,
    turned: Mapping[int, int],
    coralnet: bool,
) -> bool:
    """Whether rows and columns of images that an EXIF orientation turns are those of the stored picture.

    Told by the rules; else by CoralNet's columns, or points that would lie outside the displayed picture, where none
    lies outside the stored one. Half a turn leaves no such trace: what the other images say holds for it too.
    """
    beyond = fits = 0
    for i, way in turned.items():
        rows, cols = _pixels(marks[i].rows), _pixels(marks[i].cols)
        beyond += int((~_inside(rows, cols, images[i])).sum())
        fits += int(_inside(*displayed(rows, cols, images[i].size, way), images[i]).all())
    proven = (beyond > 0 or coralnet) and fits == len(turned)
    stored = proven if rules.points_in == "auto" else rules.points_in == "stored"
    why = (
        "as asked for"
        if rules.points_in != "auto"
        else f"{beyond} points lie beyond the displayed ones"
        if proven and beyond
        else "the columns are CoralNet's, which counts in these"
        if proven
        else "nothing tells that the stored ones are meant"
    )
    log.log(
        logging.INFO if proven or rules.points_in != "auto" else logging.WARNING,
        "%s: %d labelled images have an EXIF orientation; rows and columns are taken as those of the %s picture: %s%s",
        path.name,
        len(turned),
        "stored" if stored else "displayed",
        why,
        "" if rules.points_in != "auto" or not rules.option else "; the setting points_in chooses",
    )
    return bool(stored)


def _tell_outside(
    outside: Sequence[tuple[int, int, int]],
    marks: Mapping[int, Marks],
    images: Sequence[Image],
    path: Path,
    rules: PointRules,
) -> None:
    """Warn of points that are left out, or refuse them."""
    line, i, at = outside[0]
    mark, size, total = marks[i], images[i].size, sum(len(mark.lines) for mark in marks.values())
    if rules.skip_outside and len(outside) < total:
        lie = "lies outside its image and is" if len(outside) == 1 else "lie outside their images and are"
        log.warning("%s: %d of %d points %s left out; the first on line %d", path, len(outside), total, lie, line)
        return
    low = not 0 <= mark.rows[at] < size.height
    name, value, length = ("row", mark.rows[at], size.height) if low else ("column", mark.cols[at], size.width)
    said = (
        f"{path}:{line}: {name} {shorten(f'{value:g}')} lies outside {images[i].path} ({size.width} x {size.height}, "
        f"width x height); {name}s go from 0 to {length - 1} in pixels of the image file"
    )
    if all(_inside(_pixels(mark.cols), _pixels(mark.rows), images[k]).all() for k, mark in marks.items()):
        hint = "all points lie inside with rows and columns exchanged: exchange their headings"
    else:
        how = f"correct them or give {named(rules.option)}" if rules.option else "correct or delete them"
        hint = f"{len(outside)} of {total} points {'lies' if len(outside) == 1 else 'lie'} outside: {how}"
    raise UsageError(f"{said}; {hint}")
