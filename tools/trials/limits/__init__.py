"""What a machine lacks, how commands end, and what they leave: resources, places, signals, workers, leftovers, network.

Every command ends as it should, in one line and with the exit code of its kind, and the same command without the limit
makes, byte by byte, what an untouched one makes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from trials.kills import bench
from trials.limits import ends, lacks, leavings
from trials.limits.place import Place
from trials.row import Row

PARTS: dict[str, Callable[[Place, argparse.Namespace], Iterator[Row]]] = {
    "resources": lacks.resources,
    "places": lacks.places,
    "terminals": lacks.terminals,
    "signals": ends.signals,
    "workers": ends.workers,
    "leftovers": leavings.leftovers,
    "network": leavings.network,
}
_QUICK = ("resources", "signals")


def options(parser: argparse.ArgumentParser) -> None:
    """The options of this kind."""
    parser.add_argument("parts", nargs="*", help="which of them, all by default")


def measure(given: argparse.Namespace) -> Iterator[Row]:
    """The rows of every part."""
    bench.warm()
    for part in getattr(given, "parts", ()) or (_QUICK if given.quick else PARTS):
        with Place.made(given.folder) as place:
            yield from PARTS[part](place, given)
