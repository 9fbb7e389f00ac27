"""Damaged files: images, GeoTIFFs and films through `index`, and what people write through the commands that read it.

Every damaged file must be used or told of with a reason; every damaged text must be taken or answered with one line.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trials.row import Row

_MUTATED, _CUT, _TEXTS = 10_000, 100, 150
_QUICK = (75, 4, 3)


def options(parser: argparse.ArgumentParser) -> None:
    """The options of this kind."""
    parser.add_argument("parts", nargs="*", help="pictures or texts, both by default")


def measure(given: argparse.Namespace) -> Iterator[Row]:
    """A row for each kind of file that is damaged, and one for each that is cut short; one for each kind of text."""
    from trials.fuzz import pictures, texts
    from trials.kills import bench

    bench.warm()
    mutated, cut, written = _QUICK if given.quick else (_MUTATED, _CUT, _TEXTS)
    parts = getattr(given, "parts", ()) or ("pictures", "texts")
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = given.folder or Path(temporary)
        if "pictures" in parts:
            yield from pictures.measure(folder, given, mutated=given.sample or mutated, cut=cut)
        if "texts" in parts:
            yield from texts.measure(folder, given, count=given.sample or written)
