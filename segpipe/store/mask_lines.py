"""Lines of masks' index that parts have left: what the index will say of their images, so that nobody looks again.

masks.partial/.lines/000000000-000000500.jsonl   of the images 0 up to and without 500, once all their masks are there;
deleted once the stage is recorded
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import MachineError
from segpipe.store.unit_spans import span_name

FOLDER = ".lines"

Line = dict[str, Any]


def lines_name(images: range) -> str:
    """The file of some images' lines, from the folder of the masks."""
    return f"{FOLDER}/{span_name(images)}.jsonl"


def save_lines(out: Path, images: range, lines: list[Line]) -> None:
    """Write the lines of some images, of which all masks are there."""
    files.write_jsonl(out / lines_name(images), lines)


def load_lines(out: Path, images: range) -> list[Line]:
    """What `save_lines` wrote of this very range; nothing where it wrote nothing.

    Raises:
        MachineError: the file is damaged.
    """
    path = out / lines_name(images)
    try:
        found = files.read_jsonl(path) if path.exists() else []
        if found and len(found) != len(images):
            raise ValueError(f"{len(found)} lines for {len(images)} images")
        return found
    except ValueError as error:
        raise MachineError(f"{path}: its bytes changed on disk ({error}); delete it and refine again") from error


def join_lines(out: Path, known: list[range], made: list[Line], images: int) -> Iterator[Line]:
    """All lines in order, those of one range in memory at a time.

    Args:
        out: folder of the masks.
        known: ranges whose lines are there, as of `spans_of`.
        made: lines of the images in none of them, in order.
        images: how many there are.
    """
    rest, end = iter(made), 0
    for each in [*known, range(images, images)]:
        yield from (next(rest) for _ in range(end, each.start))
        yield from load_lines(out, each) if len(each) else ()
        end = each.stop
