"""Files that GDAL writes: what fails is the machine's, and what was written is looked at before it counts.

GDAL keeps blocks in memory and writes many of them when a file is closed; of what fails then it says little or nothing.
A Cloud-Optimized GeoTIFF on a full disk was once called done with a third of its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio

from segpipe.base.errors import MachineError, SegpipeError
from segpipe.base.geometry import Size
from segpipe.base.shortage import raise_shortage
from segpipe.images.decoding import quiet

_LIBRARIES = ("rasterio", "pyogrio")
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what GDAL throws while it writes into one error.

    Raises:
        MachineError: the file cannot be written.
    """
    try:
        yield
    except SegpipeError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in _LIBRARIES:
            raise
        raise_shortage(path, error)
        text = " ".join(str(error.__cause__ or error).split())
        raise MachineError(f"{path}: cannot be written ({text[:150]}); is its disk full?") from error


def check_tiff(path: Path, size: Size, *, deep: bool = False) -> None:
    """See that a tiled GeoTIFF that was closed is whole: every block of it and of its overviews lies in the file.

    Args:
        path: the file.
        size: that it must have.
        deep: decode every block too.

    Raises:
        MachineError: it is not.
    """
    with _arriving(path), quiet(), rasterio.open(path, driver="GTiff") as file:
        if (file.height, file.width) != (size.height, size.width):
            raise _lost(path, f"it has {file.width} x {file.height} pixels")
        levels = range(len(file.overviews(1)))
        _check_blocks(path, file, None)
        for level in levels:
            _check_blocks(path, file, level)
        if deep:
            file.checksum(1)
            for level in levels:
                with rasterio.open(path, driver="GTiff", overview_level=level) as overview:
                    overview.checksum(1)


def _check_blocks(path: Path, file: Any, level: int | None) -> None:
    step = 1 if level is None else file.overviews(1)[level]
    rows, cols = file.block_shapes[0]
    height, width = -(-file.height // step), -(-file.width // step)
    room = path.stat().st_size
    for row in range(-(-height // rows)):
        for col in range(-(-width // cols)):
            start, length = (
                int(file.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=1, ovr=level) or 0)
                for what in ("OFFSET", "SIZE")
            )
            if not start or not length or start + length > room:
                raise _lost(path, f"a block is missing in its {room} bytes")


def check_png(path: Path, size: Size) -> None:
    """See that a PNG that was closed is whole.

    Raises:
        MachineError: it is not.
    """
    with _arriving(path), path.open("rb") as file:
        head = file.read(24)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - len(_PNG_END)))
        end = file.read()
    if head[16:24] != size.width.to_bytes(4, "big") + size.height.to_bytes(4, "big") or end != _PNG_END:
        raise _lost(path, "its end is missing")


@contextmanager
def _arriving(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, rasterio.errors.RasterioError, rasterio.errors.RasterioIOError) as error:
        raise_shortage(path, error)
        raise _lost(path, " ".join(str(error.__cause__ or error).split())[:150]) from error


def _lost(path: Path, why: str) -> MachineError:
    return MachineError(f"{path}: not all of it arrived on the disk ({why}); is it full?")
