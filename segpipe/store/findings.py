"""Findings of a probe as a CSV file: a line per corruption, level and measure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

from segpipe.base import files
from segpipe.base.csv_files import csv_text
from segpipe.records.finding import Finding

COLUMNS = tuple(field.name for field in fields(Finding))


def save_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write a CSV with the fields of `Finding` as columns; an unknown number is an empty cell."""
    files.write_text(path, csv_text(COLUMNS, ([_cell(value) for value in astuple(finding)] for finding in findings)))


def _cell(value: str | float | None) -> str:
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)
