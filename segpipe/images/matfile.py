"""MATLAB 5 files that hold arrays of bytes: the form in which IIC's preparation leaves the tiles of the Potsdam set.

Read by our own checked code ("MAT-File Level 5 File Format", The MathWorks): SciPy's reader can end the process on a
damaged file. What is inflated is bounded by what the header of the variable says.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

IMAGE, LABELS = "img", "gt"
"""Names of the variables: (H, W, 3 or more) uint8 with red, green, blue first, and (H, W) uint8."""

_INT8, _UINT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 2, 5, 6, 14, 15
_CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single"}
_CLASSES |= {8: "int8", 9: "uint8", 10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64"}
_LOGICAL = 0x200
_MOST_VARIABLES = 1000
_LONGEST_FIELD = 256
"""Bytes of a name or of dimensions: MATLAB's names have 63 at most."""
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    kind: str
    shape: tuple[int, ...]
    stream: _Stream
    """Stands before the values."""


def find_shape(file: BinaryIO, variable: str) -> tuple[int, ...]:
    """The shape of a variable of an open file, from its header alone.

    Raises:
        ValueError: the file is damaged, has no such variable or two, or it is not of type uint8.
    """
    return _find(file, variable).shape


def read_variable(file: BinaryIO, variable: str, *, planes: int | None = None) -> npt.NDArray[np.uint8]:
    """Read a variable of an open file as it is stored.

    Args:
        file: opened for reading bytes.
        variable: its name.
        planes: how many steps of the last axis are kept; None: all.

    Raises:
        ValueError: as `find_shape`.
    """
    found = _find(file, variable)
    kept = found.shape if planes is None else (*found.shape[:-1], min(planes, found.shape[-1]))
    kind, size, content = found.stream.tag()
    if kind != _UINT8 or size != math.prod(found.shape):
        raise ValueError(
            f"damaged MATLAB file: {variable!r} does not hold the {math.prod(found.shape)} bytes of its shape"
        )
    # the first axis varies fastest, so the first planes lie first
    values = content[: math.prod(kept)] if content is not None else found.stream.take(math.prod(kept))
    if content is None:
        found.stream.skip(size - len(values))
        found.stream.skip(-size % 8)
    found.stream.finish()
    return np.frombuffer(values, np.uint8).reshape(kept, order="F").copy(order="C")


def _find(file: BinaryIO, variable: str) -> _Variable:
    names, found = list[str](), list[_Variable]()
    for stream in _streams(file):
        each = _head(stream)
        names.append(each.name)
        if each.name == variable:
            found.append(each)
        if len(names) > _MOST_VARIABLES:
            raise ValueError(f"MATLAB file with more than {_MOST_VARIABLES} variables")
    if len(found) > 1:
        raise ValueError(f"damaged MATLAB file: it holds {variable!r} twice")
    if not found:
        raise ValueError(f"MATLAB file without a variable {variable!r}; it holds {', '.join(names[:20]) or 'nothing'}")
    if found[0].kind != "uint8":
        raise ValueError(f"MATLAB file whose {variable!r} is of type {found[0].kind}, not uint8")
    return found[0]


def _streams(file: BinaryIO) -> Iterator[_Stream]:
    """The variables of a file, each as a stream that stands at its first part."""
    file.seek(0)
    start = file.read(128)
    order = {b"IM": "<", b"MI": ">"}.get(start[126:128])
    if order is None:
        raise ValueError("damaged MATLAB file: its header does not say the order of bytes")
    at = 128
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(order + "II", tag)
        if kind not in (_MATRIX, _COMPRESSED):
            raise ValueError(f"damaged MATLAB file: an element of type {kind} where a variable is expected")
        stream = _Stream(file, order, at + 8, size, packed=kind == _COMPRESSED)
        if kind == _COMPRESSED and struct.unpack(order + "II", stream.take(8))[0] != _MATRIX:
            raise ValueError("damaged MATLAB file: a compressed element that is no variable")
        yield stream
        at += 8 + size
        file.seek(at)
    if tag:
        raise ValueError("damaged MATLAB file: it ends within an element")


def _head(stream: _Stream) -> _Variable:
    kind, size, flags = stream.tag(_LONGEST_FIELD)
    if kind != _UINT32 or size != 8 or flags is None:
        raise ValueError("damaged MATLAB file: a variable without flags")
    (word,) = struct.unpack_from(stream.order + "I", flags)
    number = word & 0xFF
    if number not in _CLASSES:
        return _Variable("", "unknown", (), stream)  # such as function handles: laid out in another way
    kind, size, sides = stream.tag(_LONGEST_FIELD)
    if kind != _INT32 or size < 8 or size % 4 or sides is None:
        raise ValueError("damaged MATLAB file: a variable without dimensions")
    shape = struct.unpack(f"{stream.order}{size // 4}i", sides)
    kind, _, name = stream.tag(_LONGEST_FIELD)
    if kind != _INT8 or name is None or min(shape) < 0:
        raise ValueError("damaged MATLAB file: a variable without a name")
    class_name = "logical" if word & _LOGICAL else _CLASSES[number]
    return _Variable(name.decode("latin-1").rstrip("\0"), class_name, shape, stream)


class _Stream:
    """The bytes of one element in order, inflated piece by piece where it is compressed."""

    def __init__(self, file: BinaryIO, order: str, place: int, size: int, *, packed: bool) -> None:
        self.order = order
        self._file, self._place, self._end = file, place, place + size
        self._inflate = zlib.decompressobj() if packed else None

    def tag(self, most: int = 0) -> tuple[int, int, bytes | None]:
        """Type and size of the next part, and its bytes where they are at most `most` or lie within the tag."""
        (word,) = struct.unpack(self.order + "I", self.take(4))
        if word >> 16:  # the small form: type and size in one word, and up to four bytes
            if word >> 16 > 4:
                raise ValueError("damaged MATLAB file: a small element of more than four bytes")
            return word & 0xFFFF, word >> 16, self.take(4)[: word >> 16]
        (size,) = struct.unpack(self.order + "I", self.take(4))
        if not most:
            return word, size, None
        if size > most:
            raise ValueError(f"damaged MATLAB file: a field of {size} bytes")
        content = self.take(size)
        self.skip(-size % 8)
        return word, size, content

    def take(self, count: int) -> bytes:
        """The next `count` bytes, no fewer."""
        pieces = list[bytes]()
        while count > 0:
            pieces.append(self._next(count))
            count -= len(pieces[-1])
        return b"".join(pieces)

    def skip(self, count: int) -> None:
        """Pass over bytes, which must be there."""
        while count > 0:
            count -= len(self._next(count))

    def finish(self) -> None:
        """Nothing may follow; of compressed bytes the checksum is compared."""
        if self._inflate is None:
            return
        while not self._inflate.eof:
            if self._more(1):
                raise ValueError("damaged MATLAB file: more bytes than its header says")

    def _next(self, most: int) -> bytes:
        """Some of the next bytes, at most `most`, at least one."""
        while True:
            piece = self._more(most)
            if piece:
                return piece
            if self._inflate is None or self._inflate.eof:
                raise ValueError("damaged MATLAB file: it ends within a variable")

    def _more(self, most: int) -> bytes:
        if self._inflate is None:
            return self._raw(most)
        fed = self._inflate.unconsumed_tail or self._raw(_PIECE)
        try:
            piece = self._inflate.decompress(fed, min(most, _PIECE))
        except zlib.error as error:
            raise ValueError(f"damaged MATLAB file: {error}") from error
        if not (piece or fed or self._inflate.eof):
            raise ValueError("damaged MATLAB file: it ends within compressed bytes")
        return piece

    def _raw(self, most: int) -> bytes:
        self._file.seek(self._place)
        piece = self._file.read(min(most, _PIECE, self._end - self._place))
        self._place += len(piece)
        return piece
