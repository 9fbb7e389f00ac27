"""Folders of files on this machine and of objects on a store: copied there and back, several files at a time."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segpipe.base import files, object_store
from segpipe.base.errors import MachineError
from segpipe.base.parallel import thread_map
from segpipe.base.remote_path import RemotePath

_SIDE_BY_SIDE = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    files: int
    bytes: int


def push_files(
    folder: Path, names: Iterable[str], place: RemotePath, *, there: Mapping[str, int] | None = None
) -> Copied:
    """Write files of a folder to a store.

    Args:
        folder: on this machine.
        names: paths below it.
        place: on the store.
        there: sizes of objects that are there and have the same bytes as the files of these names, if they are whole.
    """
    known = there or {}

    def push(name: str) -> int:
        path = folder / name
        size = path.stat().st_size
        if known.get(name) == size:
            return 0
        object_store.put(place / name, path if size else b"")
        return size

    sizes = list(thread_map(push, names, workers=_SIDE_BY_SIDE, ahead=4 * _SIDE_BY_SIDE))
    return Copied(len(sizes), sum(sizes))


def files_below(folder: Path) -> list[str]:
    """Paths of all files of a folder, sorted, without those that are being written and that say whose it is."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not files.is_beside(path.name))
    return [path.relative_to(folder).as_posix() for path in paths if not path.name.startswith(".key")]


def push_folder(folder: Path, place: RemotePath) -> Copied:
    """Write all files of a folder to a place of its own on a store; what is there of an earlier try is kept."""
    there = {each.name: each.size for each in object_store.walk(place)}
    return push_files(folder, files_below(folder), place, there=there)


def pull_files(place: RemotePath, names: Mapping[str, int], folder: Path) -> Copied:
    """Fetch objects into a folder.

    Args:
        place: on the store.
        names: sizes of the objects, by path below the place.
        folder: on this machine.

    Raises:
        MachineError: one is shorter or longer than it was listed, or gone.
    """

    def pull(name: str) -> int:
        path = files.inside(folder, name)
        with files.atomic(path) as beside:
            try:
                with beside.open("wb") as handle:
                    found = object_store.fetch(place / name, handle)
            except FileNotFoundError as error:
                raise MachineError(f"{place / name} is gone since it was listed; run the same command again") from error
        if found.size != names[name]:
            path.unlink()
            raise MachineError(
                f"{place / name}: {found.size} bytes came of an object that is listed with {names[name]}; it is cut "
                "short or was replaced meanwhile; run the same command again"
            )
        return found.size

    sizes = list(thread_map(pull, names, workers=_SIDE_BY_SIDE, ahead=4 * _SIDE_BY_SIDE))
    return Copied(len(sizes), sum(sizes))


def pull_folder(place: RemotePath, folder: Path) -> Copied:
    """Fetch all objects of a place into a folder, which appears whole; where it appears meanwhile, that one stays.

    Raises:
        MachineError: there are none, or as `pull_files`.
    """
    names = {each.name: each.size for each in object_store.walk(place) if not each.name.endswith("/")}
    if not names:
        raise MachineError(f"{place} is gone, which the run names; make it again with `--force` of its stage")
    own = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.pulled")
    try:
        copied = pull_files(place, names, own)
        try:
            own.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(own, ignore_errors=True)
    _log.info("fetched  %s: %d files, %.1f MB", place, copied.files, copied.bytes / 1e6)
    return copied
