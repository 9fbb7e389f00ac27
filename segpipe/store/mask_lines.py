"""Lines of masks' index that parts have left: what the index will say of their images, so that nobody looks again.

masks.partial/.lines/000000000-000000500.jsonl   of the images 0 up to and without 500, once all their masks are there
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import MachineError

FOLDER = ".lines"
_NAME = re.compile(r"(\d{9})-(\d{9})\.jsonl")

Line = dict[str, Any]


def lines_name(images: range) -> str:
    """The file of some images' lines, from the folder of the masks."""
    return f"{FOLDER}/{images.start:09}-{images.stop:09}.jsonl"


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


def known_lines(out: Path, images: int) -> list[range]:
    """Ranges of images whose lines are there, in order, none of which meets another.

    Args:
        out: folder of the masks.
        images: how many there are.
    """
    found = (_NAME.fullmatch(path.name) for path in (out / FOLDER).glob("*.jsonl"))
    spans = sorted((int(name[1]), int(name[2])) for name in found if name)
    ranges, end = list[range](), 0
    for start, stop in spans:
        if end <= start < stop <= images:  # parts of another plan may overlap
            ranges.append(range(start, stop))
            end = stop
    return ranges


def missing_images(known: list[range], images: int) -> list[int]:
    """Images in no range of `known`, in order."""
    return [image for gap in _gaps(known, images) for image in gap]


def _gaps(known: list[range], images: int) -> Iterator[range]:
    end = 0
    for each in [*known, range(images, images)]:
        if each.start > end:
            yield range(end, each.start)
        end = each.stop


def join_lines(out: Path, known: list[range], made: list[Line], images: int) -> Iterator[Line]:
    """All lines in order, those of one range in memory at a time.

    Args:
        out: folder of the masks.
        known: as of `known_lines`.
        made: lines of the images in none of them, in order.
        images: how many there are.
    """
    rest, end = iter(made), 0
    for each in [*known, range(images, images)]:
        yield from (next(rest) for _ in range(end, each.start))
        yield from load_lines(out, each) if len(each) else ()
        end = each.stop


def drop_lines(out: Path) -> None:
    """Delete them, once the index is written."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)
