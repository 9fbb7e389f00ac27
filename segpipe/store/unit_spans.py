"""Ranges of units in the names of files that parts leave: `000000000-000000500.jsonl` is of 0 up to and without 500."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_NAME = re.compile(r"(\d{9})-(\d{9})")


def span_name(units: range) -> str:
    """What a file of some units is called.

    >>> span_name(range(3, 500))
    '000000003-000000500'
    """
    return f"{units.start:09}-{units.stop:09}"


def spans_of(folder: Path, ending: str, count: int) -> list[range]:
    """The ranges that files of a folder are of, in order, none of which meets another; parts of two plans may.

    Args:
        folder: need not exist.
        ending: of the files, without the dot.
        count: how many units there are.
    """
    found = (_NAME.fullmatch(path.stem) for path in folder.glob(f"*.{ending}"))
    ranges, end = list[range](), 0
    for start, stop in sorted((int(name[1]), int(name[2])) for name in found if name):
        if end <= start < stop <= count:
            ranges.append(range(start, stop))
            end = stop
    return ranges


def runs_of(units: Iterable[int]) -> Iterator[range]:
    """Neighbors among some units, which are in order, as ranges.

    >>> list(runs_of([1, 2, 5]))
    [range(1, 3), range(5, 6)]
    """
    run = range(0)
    for unit in units:
        if run and unit != run.stop:
            yield run
        run = range(run.start, unit + 1) if run and unit == run.stop else range(unit, unit + 1)
    if run:
        yield run


def gaps_between(known: Sequence[range], count: int) -> Iterator[range]:
    """The ranges of `count` units that are in none of `known`, which are in order."""
    end = 0
    for each in [*known, range(count, count)]:
        if each.start > end:
            yield range(end, each.start)
        end = each.stop
