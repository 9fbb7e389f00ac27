"""Hostile input: names, pickles, bombs, and places that are no files."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from trials.row import Row

_PARTS = ("naming", "pickles", "bombs", "places")


def options(parser: argparse.ArgumentParser) -> None:
    """The options of this kind."""
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(_PARTS)}, all by default")


def measure(given: argparse.Namespace) -> Iterator[Row]:
    """The rows of every part."""
    from trials.kills import bench

    bench.warm()
    with tempfile.TemporaryDirectory() as temporary:
        for part in getattr(given, "parts", ()) or _PARTS:
            yield from import_module(f"trials.hostile.{part}").measure(given.folder or Path(temporary), given)
