"""Whose a folder is: a marker by which segpipe knows the folders that it made, and a lock that keeps commands apart.

A folder that holds other files is never taken: what lies in it under the name of an artefact would be replaced.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from segpipe.base import files
from segpipe.base.errors import LockedError, MachineError, UsageError
from segpipe.base.shortage import raise_shortage

_NOBODYS = {".lock", ".lock.json", ".DS_Store", "Thumbs.db", "desktop.ini"}
"""What an empty directory may hold: left by us, or by file managers."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a folder of segpipe is."""

    name: str
    example: str
    """What a new one could be called."""

    @property
    def text(self) -> str:
        """What its marker says."""
        return f"This directory is {self.name} of segpipe: it replaces what lies in it.\n"


RUN = Kind("a run", "run")
APPLIED = Kind("the output of apply", "maps")
ATTENDED = Kind("the output of attend", "attention")
PROBED = Kind("the output of probe", "probe")
CORRUPTED = Kind("the output of robustness", "robustness")
PROPAGATED = Kind("the output of propagate", "carried")
TRACKED = Kind("the output of track", "tracks")
PRETRAINED = Kind("the output of pretrain", "backbone")
CHANGED = Kind("the output of change", "changed")
_KINDS = (RUN, APPLIED, ATTENDED, PROBED, CORRUPTED, PROPAGATED, TRACKED, PRETRAINED, CHANGED)


def check_free(folder: Path, kind: Kind, *, earlier: Callable[[], bool]) -> None:
    """See that a folder may become one of segpipe's: a new one, an empty one, or one that is of this kind already.

    Args:
        folder: need not exist.
        kind: what it shall be.
        earlier: whether it is of this kind by a version that wrote no marker.

    Raises:
        UsageError: it is a file, of another kind, or holds files that segpipe did not make; or its path is not UTF-8.
    """
    files.check_utf8(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder")
    marker = folder / files.OUTPUT_MARKER
    if marker.exists():
        said = files.read_text(marker)
        other = next((each for each in _KINDS if each != kind and each.text == said), None)
        if other is not None:
            raise UsageError(f"{folder} is {other.name} of segpipe, not {kind.name}; choose another folder")
        return
    held = sorted(name for name in _names(folder) if name not in _NOBODYS and not files.is_beside(name))
    # what another process has begun this moment holds the marker by now: it is the first to be written
    if held and not marker.exists() and not earlier():
        shown = f"{', '.join(held[:3])}{' ...' if len(held) > 3 else ''}"
        raise UsageError(
            f"{folder} is not {kind.name} of segpipe and holds other files ({shown}); choose a new directory, "
            f"such as {folder / kind.example}"
        )


def claim(folder: Path, kind: Kind, *, earlier: Callable[[], bool]) -> None:
    """Make a folder one of segpipe's; arguments and errors are those of `check_free`."""
    check_free(folder, kind, earlier=earlier)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / files.OUTPUT_MARKER).exists():
        files.write_text(folder / files.OUTPUT_MARKER, kind.text)


@contextmanager
def locked(folder: Path, kind: Kind, *, earlier: Callable[[], bool]) -> Iterator[None]:
    """Claim a folder and hold it for this process; the system frees it even after `kill -9`.

    Raises:
        LockedError: another process holds it.
        MachineError: it cannot be written.
        UsageError: it cannot be claimed.
    """
    lock, holder = FileLock(folder / ".lock"), folder / ".lock.json"
    try:
        claim(folder, kind, earlier=earlier)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise LockedError(
            f"{folder} is in use by {_read_holder(holder)}; wait for it to end or choose another directory"
        ) from error
    except OSError as error:
        raise_shortage(folder, error)
        raise MachineError(f"{folder}: cannot write here ({error.strerror}); choose another directory") from error
    try:
        files.write_json(holder, {"pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")})
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.exists() else []


def _read_holder(note: Path) -> str:
    """Who holds the lock, as far as its note can be read: it may be half-written, or gone this moment."""
    try:
        who = files.read_json(note)
        return f"process {int(who['pid'])} since {who['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
