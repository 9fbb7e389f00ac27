"""Findings of a probe to a CSV and back: a line per disturbance, level and measure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.records.finding import Finding

COLUMNS = tuple(field.name for field in fields(Finding))


def save_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write a CSV with the fields of `Finding` as columns; an unknown value is an empty cell."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([_cell(value) for value in astuple(finding)] for finding in findings)
    files.write_text(path, text.getvalue())


def load_findings(path: Path) -> list[Finding]:
    """Read them again.

    Raises:
        UsageError: the file is missing or is no such table.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(files.read_text(path))))
        return [
            Finding(
                row["disturbance"], row["family"], float(row["level"]), row["unit"], row["measure"],
                _number(row["value"]), _number(row["low"]), _number(row["high"]), int(row["images"]),
            )
            for row in rows
        ]  # fmt: skip
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is missing or damaged; make it again with `segpipe probe`") from error


def _cell(value: str | float | None) -> str:
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
