"""EXIF orientation: where pixels of the stored picture are in the displayed one, and back (EXIF 2.32, 4.6.4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Size
from segpipe.images.headers import BadImage, inspect
from segpipe.images.remote_files import local
from segpipe.records.corpus import Corpus, Image

Int64 = npt.NDArray[np.int64]


def orientation_of(corpus: Corpus, image: Image) -> int:
    """The EXIF orientation by which an image is turned when it is displayed, 1 to 8."""
    if image.mosaic or image.moment is not None:
        return 1
    try:
        with local(corpus.path(image)) as file:
            return inspect(file).orientation
    except (BadImage, FileNotFoundError):  # gone or changed: whatever reads it will say so
        return 1


def displayed(rows: Int64, cols: Int64, size: Size, orientation: int) -> tuple[Int64, Int64]:
    """Where pixels (m,) of the stored picture are in the displayed one, whose size is given."""
    if orientation >= 5:
        rows, cols = cols, rows
    return _mirrored(rows, cols, size, orientation)


def stored(rows: Int64, cols: Int64, size: Size, orientation: int) -> tuple[Int64, Int64]:
    """Where pixels (m,) of the displayed picture, whose size is given, are in the stored one."""
    rows, cols = _mirrored(rows, cols, size, orientation)
    return (cols, rows) if orientation >= 5 else (rows, cols)


def _mirrored(rows: Int64, cols: Int64, size: Size, orientation: int) -> tuple[Int64, Int64]:
    if orientation in (3, 4, 7, 8):
        rows = size.height - 1 - rows
    if orientation in (2, 3, 6, 7):
        cols = size.width - 1 - cols
    return rows, cols
