"""Trials of robustness, each with a table and JSON.

Usage: python tools/scorecard.py KIND [...] [--sample N] [--json FILE]
       python tools/scorecard.py all [--quick] [--json FILE]
       python tools/scorecard.py page FILE [...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from trials.row import Row

KINDS = {
    "kills": "kills before file-system events",
    "flips": "flipped bits and truncation of every file of a run",
    "fuzz": "damaged images, films, tables and settings",
    "hostile": "hostile names, pickles, bombs and places",
    "full": "full and broken disks",
    "races": "several commands at once",
    "limits": "what a machine lacks, signals, leftovers, network",
}
ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "contributing" / "scorecard.md"
_ONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_FIELDS = ("trial", "good", "bad", "notes")
_HEAD = ("| trial | tried | outcome |", "|---|---|---|")


def rows(given: argparse.Namespace) -> Iterator[Row]:
    """Everything that is found, one kind after the other."""
    for kind in KINDS if given.kind == "all" else [given.kind]:
        yield from import_module(f"trials.{kind}").measure(given)


def protocol(found: Sequence[Row], command: str) -> str:
    """What was found, by what command and of what commit, as JSON."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    head = {"command": command, "commit": commit, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    return json.dumps({**head, "rows": [row.as_json() for row in found]}, indent=2) + "\n"


def page(protocols: Sequence[dict[str, Any]]) -> str:
    """The page of the docs."""
    lines = [
        "# Scorecard",
        "",
        "What was tried against segpipe, and how often. Bold counts are failures. CI does a quick part of every kind "
        "(`tests/test_scorecard.py`).",
    ]
    for each in protocols:
        said = f"`{each['command']}`, commit {each['commit']}, {each['date']}:"
        rows = [Row(**{key: row[key] for key in _FIELDS}, outcomes=Counter(row["outcomes"])) for row in each["rows"]]
        lines += ["", said, "", *_HEAD, *(row.line() for row in rows)]
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, do the trials, print the table; 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True, dest="kind")
    written = kinds.add_parser("page", help="write the page of the docs from JSON files")
    written.add_argument("files", nargs="+", type=Path)
    for kind, help_ in {**KINDS, "all": "every kind"}.items():
        one = kinds.add_parser(kind, help=help_)
        one.add_argument("--sample", type=int, default=0, help="tries of each row, 0 = all that there are")
        one.add_argument("--quick", action="store_true", help="the part that takes a minute, for tests")
        one.add_argument("--seed", type=int, default=0, help="of what is drawn")
        one.add_argument("--jobs", type=int, default=2, help="commands side by side")
        one.add_argument("--show", type=int, default=0, help="failures to print of each row")
        one.add_argument("--folder", type=Path, help="where to work; a temporary folder where not given")
        one.add_argument("--json", type=Path, help="write everything that was found to this file")
        if kind != "all":
            import_module(f"trials.{kind}").options(one)
    given = parser.parse_args(arguments)
    if given.kind == "page":
        PAGE.write_text(page([json.loads(path.read_text("utf-8")) for path in given.files]), "utf-8")
        return 0
    command = f"python tools/scorecard.py {' '.join(arguments or sys.argv[1:])}"
    found: list[Row] = []
    print("\n".join(_HEAD))
    for row in rows(given):
        found.append(row)
        print(row.line(), flush=True)
        for failure in row.failures[: given.show]:
            print(f"    {failure}", flush=True)
        if given.json:
            given.json.write_text(protocol(found, command), "utf-8")
    return int(any(row.failures for row in found))


if __name__ == "__main__":
    if any(os.environ.get(name) != "1" for name in _ONE):  # threads do not survive the forks of trials
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(_ONE, "1")})
    sys.exit(main())
