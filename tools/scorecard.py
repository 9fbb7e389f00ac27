"""Trials of robustness, each with a table and JSON.

Usage: python tools/scorecard.py kills [CASE ...] [--sample N] [--real N] [--json FILE]

`kills` stops commands before each of their file-system events and starts them again: what they make then is compared,
byte by byte, with what they make untouched. Reports, TensorBoard files and times in the manifest stand apart.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_ONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # threads do not survive forks


def kills(given: argparse.Namespace) -> int:
    """The table of kills; 1 where a command was stuck or made something else."""
    if any(os.environ.get(name) != "1" for name in _ONE):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(_ONE, "1")})
    from killing import cases, trials

    trials.warm()
    found = {}
    columns = ("events", "states", "tried", *trials.OUTCOMES)
    print(f"| command | {' | '.join(columns)} | SIGKILL |\n|{'---|' * (len(columns) + 2)}")
    for name in given.cases or cases.CASES:
        row = trials.measure(
            name, sample=given.sample, real=given.real, seed=given.seed, jobs=given.jobs, base=given.folder
        )
        found[name] = row
        killed = ", ".join(f"{count} {outcome}" for outcome, count in row["killed"].items())
        print(f"| {name} | {' | '.join(str(row[column]) for column in columns)} | {killed} |", flush=True)
        for failure in row["failures"][: given.show]:
            print(f"    {failure}", flush=True)
        if given.json:
            given.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return int(any(row["failures"] for row in found.values()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and do one kind of trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("kills", help="kills before file-system events")
    one.add_argument("cases", nargs="*", help="which commands; all where none is named (tools/killing/cases.py)")
    one.add_argument("--sample", type=int, default=0, help="states to try of each command, 0 = all")
    one.add_argument("--real", type=int, default=0, help="events of each command to kill at with SIGKILL itself")
    one.add_argument("--seed", type=int, default=0, help="of the samples")
    one.add_argument("--jobs", type=int, default=2, help="commands side by side")
    one.add_argument("--show", type=int, default=0, help="failures to print of each command")
    one.add_argument("--folder", type=Path, help="where to work; a temporary folder where not given")
    one.add_argument("--json", type=Path, help="write everything that was found to this file")
    one.set_defaults(work=kills)
    given = parser.parse_args(arguments)
    return int(given.work(given))


if __name__ == "__main__":
    sys.exit(main())
