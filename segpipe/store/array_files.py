"""Arrays in npz files, whose sizes are checked before anything is allocated.

NumPy's own reader allocates what an array's header claims, and inflates what is compressed. Ours are never compressed
(`numpy.savez`), so an array takes as many bytes as the file has for it, or the file is damaged.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_ENCRYPTED = 0x1


def load_arrays(path: Path, *names: str) -> Arrays:
    """Arrays of an npz file by their names; checksums are compared, pickles and compressed arrays refused.

    Args:
        path: the file.
        names: of those that are wanted; all where none is named. What the file lacks is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or not one of ours.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            entries = {info.filename.removesuffix(".npy"): info for info in stored_entries(archive)}
            return {name: _array(archive, info) for name, info in entries.items() if name in names or not names}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def stored_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The entries of a zip file that holds each name once and nothing compressed or encrypted.

    Together they are no larger than the file, whatever its directory says.

    Raises:
        ValueError: it is another one.
    """
    entries, seen = archive.infolist(), set[str]()
    assert archive.fp is not None
    room = archive.fp.seek(0, 2)
    for info in entries:
        if info.filename in seen:
            raise ValueError(f"holds {info.filename!r} twice")
        seen.add(info.filename)
        stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
        if not stored or info.flag_bits & _ENCRYPTED:
            raise ValueError(f"{info.filename!r} is compressed or encrypted")
        room -= info.file_size
    if room < 0:
        raise ValueError("its entries are larger than the file")
    return entries


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(info) as entry:
        shape, fortran, dtype = _header(entry, info.filename)  # type: ignore[arg-type]
        content = bytearray(entry.read())  # to the end, where the checksum is compared
    if dtype.hasobject:
        raise ValueError(f"{info.filename!r} holds objects, not numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{info.filename!r} should be {dtype} {shape} and holds {len(content)} bytes")
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C")


def _header(entry: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(entry)
    if version not in _HEADERS:
        raise ValueError(f"{name!r} is an array of an unknown version {version}")
    return _HEADERS[version](entry)
