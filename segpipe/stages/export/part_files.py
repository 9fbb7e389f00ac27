"""What parts of an export leave until all are there: which files of which formats, in which images' range.

export.partial/.parts/plan.json                 formats that were taken over from an earlier export
export.partial/.parts/000000000-000000500.json  of the images 0 up to and without 500: files and counts by format
export.partial/.parts/<any>.begun/              what a part is writing; its files are moved where they belong
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.store.unit_spans import span_name, spans_of

FOLDER = ".parts"
PER_IMAGE = ("png", "color", "overlay", "cog", "certainty")
"""Formats that write files of an image's own, and nothing of all images but what every part writes alike."""
_COMMON = {"overlay": 1}
"""Files of a format that every part writes alike."""


def save_kept(out: Path, kept: dict[str, int]) -> None:
    """Note which formats were taken over, and how many files each has."""
    files.write_json(out / FOLDER / "plan.json", kept)


def has_kept(out: Path) -> bool:
    """Whether `save_kept` noted it."""
    return (out / FOLDER / "plan.json").exists()


def load_kept(out: Path) -> dict[str, int]:
    """What `save_kept` noted."""
    return files.read_json(out / FOLDER / "plan.json")


def range_name(images: range) -> str:
    """The note of some images, from the export's folder."""
    return f"{FOLDER}/{span_name(images)}.json"


def load_range(out: Path, images: range) -> dict[str, Any] | None:
    """What was written of some images: `files` and `counts`; None where nothing was."""
    path = out / range_name(images)
    return files.read_json(path) if path.exists() else None


@contextmanager
def moved_in(out: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield an empty folder whose files move to the same places in `out` at the end, and the list of their names."""
    begun, names = out / FOLDER / f"{uuid.uuid4().hex[:8]}.begun", list[str]()
    begun.mkdir(parents=True)
    try:
        yield begun, names
        for path in sorted(path for path in begun.rglob("*") if path.is_file()):
            name = path.relative_to(begun)
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(out / name)
            names.append(name.as_posix())
    finally:
        shutil.rmtree(begun, ignore_errors=True)


def save_range(out: Path, images: range, names: list[str], counts: dict[str, int]) -> None:
    """Note what was written of some images."""
    files.write_json(out / range_name(images), {"files": names, "counts": counts})


def add_counts(ranges: list[dict[str, int]]) -> dict[str, int]:
    """Files by format of all ranges together, those that every part wrote alike counted once.

    >>> add_counts([{"overlay": 3, "png": 2}, {"overlay": 4, "png": 3}])
    {'overlay': 6, 'png': 5}
    """
    formats = dict.fromkeys(name for counts in ranges for name in counts)
    return {name: sum(counts[name] for counts in ranges) - (len(ranges) - 1) * _COMMON.get(name, 0) for name in formats}


def joined_counts(out: Path, images: int) -> dict[str, int]:
    """Files by format of what all parts have written."""
    ranges = [load_range(out, each) for each in spans_of(out / FOLDER, "json", images)]
    return add_counts([each["counts"] for each in ranges if each is not None and each["counts"]])


def drop_notes(out: Path) -> None:
    """Delete what parts noted, once all is there."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)
