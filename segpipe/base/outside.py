"""Bytes of text files that people or other programs wrote, as text: bounded, UTF-8, and wrong bytes have a place."""

from __future__ import annotations

import codecs
import errno
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage

_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_outside(path: Path, *, most: int, what: str, way_out: str) -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark; arguments as `read_bounded`.

    Raises:
        UsageError: as `read_bounded`, or it is no such text; the message gives the line.
        MachineError: as `read_bounded`.
    """
    return decode(read_bounded(path, most=most, what=what, way_out=way_out), path, what)


def read_bounded(path: Path, *, most: int, what: str, way_out: str) -> bytes:
    """The bytes of a file.

    Args:
        path: the file.
        most: bytes that it may have.
        what: it is, for messages, such as `config file`.
        way_out: what a person may do where it cannot be read.

    Raises:
        UsageError: it cannot be read, or is larger.
        MachineError: the machine lacks something, such as file descriptors.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)  # whatever the file system says of its size: a pipe has none
    except OSError as error:
        if error.errno != errno.EACCES:  # which the owner of the file can mend
            raise_shortage(path, error)
        raise UsageError(f"{path}: cannot read this {what} ({error.strerror}); {way_out}") from error
    if len(raw) > most:
        raise UsageError(f"{path}: larger than {most >> 20} MiB, so it is no {what}; {way_out}")
    return raw


def read_names(path: Path, *, most: int, what: str, way_out: str) -> Iterator[str]:
    """The lines of a list of file names that are not empty, each once; any bytes, as `os.fsdecode` gives them.

    Arguments and errors are those of `read_bounded`.
    """
    raw = read_bounded(path, most=most, what=what, way_out=way_out).removeprefix(codecs.BOM_UTF8)
    lines = (line.removesuffix(b"\n").removesuffix(b"\r") for line in BytesIO(raw))
    return (os.fsdecode(line) for line in dict.fromkeys(lines) if line.strip())


def decode(raw: bytes, place: object, what: str) -> str:
    """Bytes as text; `place` and `what` are for messages.

    Raises:
        UsageError: they are no text.
    """
    encoding = "utf-16" if raw.startswith(_WIDE) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        wanted = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise UsageError(f"{place}:{line}: not {wanted} (byte {error.start}); save this {what} as UTF-8") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UsageError(f"{place}:{line}: holds a NUL byte, so it is no text; save this {what} as UTF-8")
    return text
