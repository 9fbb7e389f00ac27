"""Mosaics: rasters too large to be held, or laid over the earth, that are read box by box.

Which of their pixels hold image is found once, when the corpus is made, and kept as a picture of one bit a pixel:
that a collar reaches the border cannot be seen from a box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.errors
from rasterio.windows import Window

from segpipe.base import files
from segpipe.base.errors import MachineError
from segpipe.base.geometry import Box, Size
from segpipe.images import rasters
from segpipe.images.collars import Collar, fills
from segpipe.images.decoding import decoding
from segpipe.images.headers import BadImage, Container, inspect
from segpipe.images.readers import ImageInfo, Pixels, pixels_of
from segpipe.images.stacks import open_view
from segpipe.records.view import PLAIN, View

LARGE = 1 << 26
"""A TIFF of more pixels is read box by box even where it lies nowhere on the earth (cameras make fewer, so far)."""
_BLOCK_BYTES = 1 << 28
_VALID_BLOCK = 512
_SLAB_PIXELS = 1 << 22
_FEW_PIXELS, _MOST_A_BYTE = 1 << 30, 4096
"""Pixels that any mosaic may have, and those that it may have for each of its bytes; deflate packs 1,032 zeros."""
_ROW_PIXELS = 1 << 25
"""Rows of blocks with more pixels are taken block by block."""

Bools = npt.NDArray[np.bool_]
ReadBox = Callable[[Box], Pixels]


def is_mosaic(container: Container, *, georeferenced: bool, window: int) -> bool:
    """Whether an image is read by windows: a TIFF above `LARGE`, or one on the earth that is larger than a window.

    TIFFs that an EXIF orientation turns are photographs, and so are those that GDAL does not read as plain bands
    (CMYK, packed bits).
    """
    size = container.size
    if container.kind not in ("TIFF", "JP2") or not container.raster or container.orientation != 1:
        return False
    return size.height * size.width > LARGE or (georeferenced and max(size.height, size.width) > window)


def probe_mosaic(path: Path, container: Container, valid: Path, *, view: View = PLAIN) -> ImageInfo:
    """Decode a mosaic slab by slab, and write which of its pixels hold image.

    No image are: the no-data value, alpha 0, the file's own mask, NaN; and, where the file states none of the first
    three, areas of at least `collars.LEAST` pixels that are exactly black or exactly white and reach the border.

    Args:
        path: the file.
        container: what its header says.
        valid: the picture to write, see `open_mosaic`.
        view: how it is looked at.

    Raises:
        BadImage: damaged, of blocks too large to be held, or without one valid pixel.
    """
    with decoding(path), open_view(path, container, view) as (dataset, bands):
        check_readable(path, dataset)
        depth = rasters.depth_of(dataset)
        any_valid = _write_valid(dataset, container, valid, bands)
    if not any_valid:
        valid.unlink()
        raise BadImage(path, "no pixel holds image: all are transparent, no data, NaN, or of one black or white")
    return ImageInfo(container.size, depth)


def check_readable(path: Path, dataset: Any) -> None:
    """Whether a raster can be read piece by piece, in a time that its size lets expect.

    Raises:
        BadImage: not so.
    """
    _check_blocks(path, dataset)
    _check_size(path, dataset)


def _check_blocks(path: Path, dataset: Any) -> None:
    height, width = dataset.block_shapes[0]
    bands = dataset.count if dataset.interleaving == rasterio.enums.Interleaving.pixel else 1
    if height * width * bands * np.dtype(dataset.dtypes[0]).itemsize > _BLOCK_BYTES:
        raise BadImage(
            path,
            f"stored in blocks of {width} x {height} pixels, too large to be read piece by piece; rewrite it: "
            "gdal_translate -of COG -co BIGTIFF=IF_SAFER IN OUT",
        )


def _check_size(path: Path, dataset: Any) -> None:
    """Blocks that are not stored count as zeros, so that a few kilobytes may stand for months of work."""
    pixels, held = dataset.height * dataset.width, path.stat().st_size
    if pixels > _FEW_PIXELS + _MOST_A_BYTE * held:
        raise BadImage(
            path,
            f"{dataset.width} x {dataset.height} pixels in {held} bytes, so nearly all are empty; cut it to what it "
            "shows: gdalwarp -cutline OUTLINE -crop_to_cutline IN OUT",
        )


def _write_valid(dataset: Any, container: Container, path: Path, bands: rasters.Bands) -> bool:
    """Write the picture of valid pixels; whether there are any."""
    collars: list[Collar] = []
    if not rasters.states_nodata(bands):
        for _, found, _ in _marks(dataset, container, bands):
            collars = collars or [Collar() for _ in found]
            for collar, marked in zip(collars, found, strict=True):
                collar.add(marked)
    kept = [(i, collar) for i, collar in enumerate(collars) if collar.finish()]
    any_valid = False
    with files.atomic(path) as beside, _new_valid(beside, Size(dataset.height, dataset.width)) as picture:
        for number, (rows, areas, good) in enumerate(_marks(dataset, container, bands)):
            for i, collar in kept:
                good &= ~collar.of(number, areas[i])
            any_valid |= bool(good.any())
            _write_rows(path, picture, good, rows.start)
        picture.close()
        _check_written(path, beside)
    return any_valid


def _marks(dataset: Any, container: Container, bands: rasters.Bands) -> Iterator[tuple[slice, list[Bools], Bools]]:
    """What decides on the valid pixels, from top to bottom, in slabs of about `_SLAB_PIXELS` pixels; each block once.

    A row of large blocks, decoded, may not fit into memory: then one block is held at a time, and of the others in its
    row one bit a pixel.

    Yields:
        Rows of the image, where they are filled (see `fills`), and which pixels are valid so far, both (rows, W).
    """
    height, width = dataset.block_shapes[0]
    if height * dataset.width * rasters.weight(dataset) <= _ROW_PIXELS:
        for rows, values, valid in rasters.slabs(dataset, container, bands):
            yield rows, fills(values), np.ones(values.shape[:2], bool) if valid is None else valid
        return
    step = max(1, _SLAB_PIXELS // dataset.width // _VALID_BLOCK) * _VALID_BLOCK
    for top in range(0, dataset.height, height):
        rows = min(height, dataset.height - top)
        packed = [
            _packed_marks(dataset, container, bands, Box(top, left, rows, min(width, dataset.width - left)))
            for left in range(0, dataset.width, width)
        ]
        for first in range(0, rows, step):
            last = min(first + step, rows)
            *found, good = (
                np.concatenate([np.unpackbits(bits[first:last], axis=1, count=wide) for bits, wide in row], axis=1) > 0
                for row in zip(*packed, strict=True)
            )
            yield slice(top + first, top + last), found, good


def _packed_marks(
    dataset: Any, container: Container, bands: rasters.Bands, box: Box
) -> list[tuple[npt.NDArray[np.uint8], int]]:
    """The fills of a block and its valid pixels, eight to a byte (h, ceil(w / 8)), each with its width."""
    values, valid = rasters.read_values(dataset, container, bands, box)
    marks = [*fills(values), np.ones(values.shape[:2], bool) if valid is None else valid]
    return [(np.packbits(mark, axis=1), box.width) for mark in marks]


def _write_rows(path: Path, picture: Any, good: Bools, top: int) -> None:
    """Write rows; a failure is the disk's and not the mosaic's."""
    try:
        picture.write(good.astype(np.uint8), 1, window=Window(0, top, picture.width, len(good)))
    except rasterio.errors.RasterioError as error:
        raise MachineError(f"{path}: cannot be written; is the disk full?") from error


def _check_written(path: Path, written: Path) -> None:
    """Read the picture of valid pixels again: GDAL says nothing of what fails when a file is closed."""
    try:
        with rasterio.open(written, driver="GTiff") as picture:
            picture.checksum(1)
    except rasterio.errors.RasterioError as error:
        raise MachineError(f"{path}: could not be written completely; is the disk full?") from error


@contextmanager
def _new_valid(path: Path, size: Size) -> Iterator[Any]:
    block = _VALID_BLOCK
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=size.height,
        width=size.width,
        count=1,
        dtype="uint8",
        nbits=1,
        tiled=True,
        blockxsize=block,
        blockysize=block,
        compress="deflate",
        bigtiff="if_safer",
    ) as picture:
        yield picture


@contextmanager
def open_mosaic(
    path: Path, valid: Path, *, depth: str, scaling: Sequence[Any], view: View = PLAIN
) -> Iterator[tuple[Size, ReadBox]]:
    """Open a mosaic for reading boxes of it, by one thread.

    Args:
        path: the file.
        valid: the picture that `probe_mosaic` wrote.
        depth: the sample type recorded then.
        scaling: the values that become 0 and 255.
        view: as then.

    Yields:
        Its size, and a function from a box to its pixels, 8-bit RGB.

    Raises:
        BadImage: the file cannot be decoded, or is no longer of the recorded depth.
    """
    with ExitStack() as stack:
        with decoding(path):
            container = inspect(path)
            dataset, bands = stack.enter_context(open_view(path, container, view))
            picture = stack.enter_context(rasterio.open(valid, driver="GTiff"))
            if (found := rasters.depth_of(dataset)) != depth:
                raise BadImage(path, f"has {found} samples where the corpus recorded {depth}")

        def read(box: Box) -> Pixels:
            with decoding(path):
                values, _ = rasters.read_values(dataset, container, bands, box)
                good = read_valid(picture, box)
            return pixels_of(values, None if good.all() else good, (scaling[0], scaling[1]), view)

        yield Size(dataset.height, dataset.width), read


def read_valid(picture: Any, box: Box) -> Bools:
    """Which pixels of a box hold image (h, w), from the opened picture of valid pixels."""
    return np.asarray(picture.read(1, window=Window(box.left, box.top, box.width, box.height)) > 0)


def showing(valid: Path, boxes: Sequence[Box]) -> list[Box]:
    """Those of the boxes that hold at least one valid pixel."""
    with decoding(valid), rasterio.Env(**rasters.GDAL_OPTIONS), rasterio.open(valid, driver="GTiff") as picture:
        return [box for box in boxes if read_valid(picture, box).any()]


def sample_mosaic(
    path: Path, valid: Path, boxes: Sequence[Box], *, count: int, rng: np.random.Generator, view: View = PLAIN
) -> npt.NDArray[np.float32]:
    """About `count` stored values of random valid pixels of some boxes of a mosaic.

    Raises:
        BadImage: the file cannot be decoded.
    """
    container, parts = inspect(path), []
    with (
        decoding(path),
        open_view(path, container, view) as (dataset, bands),
        rasterio.open(valid, driver="GTiff") as picture,
    ):
        for box in boxes:
            values, _ = rasters.read_values(dataset, container, bands, box)
            pixels = values[read_valid(picture, box)]
            if len(pixels):
                share = -(-count // len(boxes))
                parts.append(rasters.data_of(pixels[rng.integers(len(pixels), size=share)], container, bands))
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
