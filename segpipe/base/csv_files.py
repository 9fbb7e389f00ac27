"""Tables: CSV of any delimiter and encoding that spreadsheets write, read row by row; and CSV that we write."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage

IMAGE_COLUMN = ("image", "name", "filename", "imagename", "imagefile", "file", "imageid", "path", "photo")
"""Spellings of the heading of the column that names images."""


def csv_text(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    r"""A table as CSV: commas, a line feed after every row, quotes where a field needs them.

    >>> csv_text(["class", "pixels"], [["sand, white", 3]])
    'class,pixels\n"sand, white",3\n'
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue()


def read_table(path: Path, *, option: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, the header first, each with its line number; fields without spaces around.

    Args:
        path: the file: commas, semicolons or tabs; UTF-8, or UTF-16 with its mark.
        option: that named it, for messages.

    Raises:
        UsageError: the file cannot be read, or a row is wrong; the message gives file and line.
    """
    text = _text(path, option)
    header = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    width = 0
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            width = width or len(fields)
            if len(fields) < width or any(field.strip() for field in fields[width:]):
                raise UsageError(
                    f"{path}:{reader.line_num}: {len(fields)} fields where the header has {width}; "
                    "put fields that hold the delimiter in quotes"
                )
            yield reader.line_num, [field.strip() for field in fields[:width]]
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: not a CSV row ({error}); check its quotes") from error


def _text(path: Path, option: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise_shortage(path, error)
        raise UsageError(f"{path}: cannot read this table ({error.strerror}); check {option}") from error
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}:{line}: not UTF-8 (byte {error.start}); save the table as CSV UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def plain(heading: str) -> str:
    """A heading as it is compared: letters and digits alone, small."""
    return "".join(c for c in heading.casefold() if c.isalnum())


def column_of(header: Sequence[str], spellings: Sequence[str]) -> int | None:
    """Where a column is; of several that would do the one whose spelling comes first."""
    headings = [plain(field) for field in header]
    return next((headings.index(spelling) for spelling in spellings if spelling in headings), None)
