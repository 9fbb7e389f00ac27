"""Kills before file-system events: what a command leaves at each of them, and what the same command makes of it.

What is made is compared, byte by byte, with what an untouched command makes. Reports, TensorBoard files and times in
the manifest stand apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from trials.row import Row

_QUICK = ("split first", "bundle")


def options(parser: argparse.ArgumentParser) -> None:
    """The options of this kind."""
    parser.add_argument("cases", nargs="*", help="which commands (tools/trials/kills/cases.py), all by default")
    parser.add_argument("--real", type=int, default=0, help="events of each command to kill at with SIGKILL itself")


def measure(given: argparse.Namespace) -> Iterator[Row]:
    """A row for each command, and one for those that were killed in earnest."""
    from trials.kills import bench, cases

    bench.warm()
    for name in getattr(given, "cases", ()) or (_QUICK if given.quick else cases.CASES):
        yield from bench.measure(name, given, real=getattr(given, "real", 1))
