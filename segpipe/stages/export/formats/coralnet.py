"""CoralNet: a CSV of points with the class of the pixel each lies on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.csv_files import csv_text
from segpipe.base.printable import readable
from segpipe.images.orientation import orientation_of, stored
from segpipe.records.corpus import Image
from segpipe.records.legend import Mask
from segpipe.stages.export.formats.source import Source

Int64 = npt.NDArray[np.int64]


def export_coralnet(source: Source, out: Path) -> int:
    """`coralnet.csv`: Name, Row, Column, Label of `export.points` points of every image.

    Row 0, column 0 is the upper left pixel of the picture as it is stored, in which CoralNet counts where EXIF turns it
    for display. Names are paths below the folder that was indexed. Points lie on pixels
    with a class only: there may be fewer of them where pixels have none. They depend on `export.seed` and the image
    alone, not on the other images.
    """
    settings, nodata = source.settings, source.legend.nodata
    choose = {"random": random_points, "stratified": stratified_points, "grid": grid_points}[settings.sampling]

    def sample(image: Image) -> list[tuple[str, int, int, str]]:
        mask = source.clean_mask(image)
        key = hashlib.sha256(image.id.encode("utf-8", "surrogateescape")).digest()
        rng = np.random.default_rng([settings.seed, *key])
        rows, cols = choose(mask, nodata, settings.points, rng)
        name = readable(image.path)
        labels = [readable(source.legend.names[k]) for k in mask[rows, cols]]
        rows, cols = stored(rows, cols, image.size, orientation_of(source.corpus, image))
        return list(zip([name] * len(rows), rows.tolist(), cols.tolist(), labels, strict=True))

    rows = (row for _, found in source.map(sample, "coralnet images") for row in found)
    files.write_text(out / "coralnet.csv", csv_text(["Name", "Row", "Column", "Label"], rows))
    return 1


def random_points(mask: Mask, nodata: int, count: int, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """Rows and columns of `count` different pixels with a class, all equally likely; all of them if there are fewer."""
    per_row = (mask != nodata).sum(1)
    ends = np.cumsum(per_row)
    total = int(ends[-1])
    ranks = np.sort(rng.choice(total, min(count, total), replace=False)) if total else np.zeros(0, np.int64)
    rows = np.searchsorted(ends, ranks, side="right")
    within = ranks - (ends[rows] - per_row[rows])
    cols = [np.flatnonzero(mask[row] != nodata)[rank] for row, rank in zip(rows, within, strict=True)]
    return rows, np.array(cols, np.int64)


def stratified_points(mask: Mask, nodata: int, count: int, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """One random pixel with a class in each of `count` cells of about the same size; none in a cell without a class."""
    rows, cols = list[int](), list[int]()
    for top, left, bottom, right in _cells(mask.shape, count):
        row, col = random_points(mask[top:bottom, left:right], nodata, 1, rng)
        rows += (row + top).tolist()
        cols += (col + left).tolist()
    return np.array(rows, np.int64), np.array(cols, np.int64)


def grid_points(mask: Mask, nodata: int, count: int, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """The middle pixels of `count` cells of about the same size, where they have a class."""
    cells = np.array(_cells(mask.shape, count)).reshape(-1, 4)
    rows, cols = (cells[:, 0] + cells[:, 2]) // 2, (cells[:, 1] + cells[:, 3]) // 2
    shown = mask[rows, cols] != nodata
    return rows[shown], cols[shown]


def _cells(shape: tuple[int, ...], count: int) -> list[tuple[int, int, int, int]]:
    """Top, left, bottom, right of `count` cells that fill an image, in bands; fewer where cells would be empty."""
    height, width = shape
    bands = int(np.clip(round((count * height / width) ** 0.5), 1, min(count, height)))
    cells = []
    for band in range(bands):
        first, last = band * height // bands, (band + 1) * height // bands
        columns = min((band + 1) * count // bands - band * count // bands, width)
        cells += [(first, i * width // columns, last, (i + 1) * width // columns) for i in range(columns)]
    return cells
