"""Formats of an earlier export that still hold: their files go over to the new one instead of being made again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from segpipe.base import checksums, files
from segpipe.base.errors import MachineError
from segpipe.stages.export.settings import GROUPS

_PATTERNS = {name: info.files for group in GROUPS.values() for name, info in group.items()}
_MORE = {"overlay": ("legend.png",)}


def take_over(formats: Mapping[str, int], old: Path, new: Path) -> dict[str, int]:
    """Give the files of formats a second name in another folder, or a copy where the file system has no links.

    Args:
        formats: names, and how many files were written of each.
        old: folder of the earlier export, with its checksums.
        new: folder of the export that is being made.

    Returns:
        The formats of which all files are there as they were made; nothing of others is left in `new`.
    """
    try:
        sums = checksums.read_sums(old)
    except MachineError:  # its list is damaged: all is made again
        return {}
    return {name: count for name, count in formats.items() if _take(name, count, old, new, sums)}


def _take(name: str, count: int, old: Path, new: Path, sums: Mapping[str, str]) -> bool:
    roots = (_PATTERNS[name].split("/")[0], *_MORE.get(name, ()))
    own = [path for path in sums if path.split("/")[0] in roots]
    if bool(own) == (count > 0) and all(
        checksums.take_over_file(files.inside(old, path), files.inside(new, path), sums[path]) for path in own
    ):
        return True
    for root in roots:
        shutil.rmtree(new / root, ignore_errors=True)
        if (new / root).is_file():
            (new / root).unlink()
    return False
