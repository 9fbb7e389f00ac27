"""Findings of a probe read from its CSV."""

from __future__ import annotations

import csv
from pathlib import Path

from segpipe.records.finding import Finding


def load_findings(path: Path) -> list[Finding]:
    """Every line of the table as a finding; an empty cell is None."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Finding(
                row["disturbance"], row["family"], float(row["level"]), row["unit"], row["measure"],
                _number(row["value"]), _number(row["low"]), _number(row["high"]), int(row["images"]),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
