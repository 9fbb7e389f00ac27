"""Tables: CSV of any delimiter and encoding that spreadsheets write, read row by row; and CSV that we write.

A spreadsheet takes a cell that begins with = + - @ for a formula, which may send the table elsewhere or start programs.
Names of files and classes come from strangers, so texts that begin like one are written with an apostrophe before them
(OWASP, "CSV Injection"); `read_table` and `read_back` take it off again. Numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from segpipe.base.errors import UsageError
from segpipe.base.outside import read_outside
from segpipe.base.shown import uncurled

_LARGEST = 1 << 29  # bytes; a table of 10 million points has 300 million
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four are = + - @ of full width
_FIRST = frozenset("'=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # asked before, for speed
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+|inf|nan)")
_END = "\0"  # a row of our own behind the last one; no text holds it

_SEPARATOR = re.compile(r"\s*(\"?)sep=([,;\t|])\1[,;\t|]*[ \t]*(?:\r\n|\r|\n|\Z)", re.IGNORECASE)

IMAGE_COLUMN = ("image", "name", "filename", "imagename", "imagefile", "file", "imageid", "path", "photo")
"""Spellings of the heading of the column that names images."""


def csv_text(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    r"""A table as CSV: commas, a line feed after every row, quotes where a field needs them, no text a formula.

    >>> csv_text(["name", "depth"], [["=1+1", -3.2], ["-", "-3.2"]])
    "name,depth\n'=1+1,-3.2\n'-,-3.2\n"
    >>> csv_text(["class", "pixels"], [["sand, white", 3]])
    'class,pixels\n"sand, white",3\n'
    """
    lines = _Lines()
    table = csv.writer(lines, lineterminator="\r\n")  # so that a carriage return in a field is put in quotes too
    table.writerow([_safe(cell) for cell in header])
    table.writerows([_safe(cell) for cell in row] for row in rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


class _Lines(list[str]):
    """What a writer writes, row by row."""

    write = list.append


def _safe(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(cell, str) and cell[:1] in _FIRST and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _named(cell: str) -> str:
    """What was written as this cell."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_back(text: str) -> list[list[str]]:
    """The rows of what `csv_text` made."""
    return [[_named(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]


def read_table(path: Path, *, option: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, the header first, each with its line number; fields without spaces around.

    Args:
        path: the file: commas, semicolons or tabs, or what a first line such as `sep=;` says (of spreadsheets);
            UTF-8, or UTF-16 with its mark. Curly quotes around a field are taken off.
        option: that named it, for messages.

    Raises:
        UsageError: the file cannot be read or is larger than 512 MiB, or a row is wrong; the message gives file and
            line.
    """
    text = read_outside(path, most=_LARGEST, what="table", way_out=f"check {option}")
    told = _SEPARATOR.match(text)
    text = text[told.end() :] if told else text
    header = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0][: csv.field_size_limit()]
    delimiter = told[2] if told else max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))
    reader = csv.reader(chain(io.StringIO(text, newline=""), [_END]), delimiter=delimiter)
    above = len(re.findall("\r\n|\r|\n", told[0])) if told else 0
    width, begins = 0, above + 1
    try:
        for fields in reader:
            if fields == [_END]:
                return
            if fields and fields[-1].endswith(_END):
                raise UsageError(f"{path}:{begins}: a quote is opened in this row and never closed; close it")
            begins = above + reader.line_num + 1
            if not any(field.strip() for field in fields):
                continue
            width = width or len(fields)
            if len(fields) < width or any(field.strip() for field in fields[width:]):
                raise UsageError(
                    f"{path}:{above + reader.line_num}: {len(fields)} fields where the header has {width}; "
                    "put fields that hold the delimiter in quotes"
                )
            yield above + reader.line_num, [_named(uncurled(field.strip())) for field in fields[:width]]
    except csv.Error as error:
        raise UsageError(f"{path}:{begins}: not a CSV row ({error}); check its quotes") from error


def plain(heading: str) -> str:
    """A heading as it is compared: letters and digits alone, small."""
    return "".join(c for c in heading.casefold() if c.isalnum())


def column_of(header: Sequence[str], spellings: Sequence[str]) -> int | None:
    """Where a column is; of several that would do the one whose spelling comes first."""
    headings = [plain(field) for field in header]
    return next((headings.index(spelling) for spelling in spellings if spelling in headings), None)
