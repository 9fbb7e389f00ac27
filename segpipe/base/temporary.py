"""Temporary folders that do not outlive their process for long: what was killed is cleared away by the next one."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from segpipe.base.errors import MachineError

_PREFIX, _LOCK = "segpipe.", ".lock"
_OURS = re.compile(r"segpipe\.[0-9a-f]{16}")
"""What such a folder is called: a temporary folder may hold a person's own `segpipe.old`, which is never deleted."""
_YOUNG = 60.0  # seconds: a lock without its folder may be one that is being made


@contextmanager
def temporary_folder(home: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that is deleted when the block ends, or by the next call after the process was killed.

    Who lives is told by a lock and not by a process id: containers that share a folder count processes for themselves.

    Args:
        home: where it lies, for what is renamed from there; None: the system's temporary folder.

    Raises:
        MachineError: no temporary folder can be written.
        OSError: `home` cannot be written.
    """
    try:
        folder, lock = _begin(Path(tempfile.gettempdir()) if home is None else home)
    except OSError as error:
        if home is not None:
            raise
        raise MachineError(
            f"no temporary folder can be made ({error.strerror or error}); let TMPDIR name one with room"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _lock_of(folder).unlink(missing_ok=True)
        lock.release()


def _begin(home: Path) -> tuple[Path, BaseFileLock]:
    """A new folder and its lock, which is held; nothing is left where one of the two cannot be made."""
    _sweep(home)
    folder = home / f"{_PREFIX}{secrets.token_hex(8)}"
    lock = FileLock(_lock_of(folder), mode=0o600)
    try:
        lock.acquire()
        folder.mkdir(mode=0o700)
    except OSError:
        _lock_of(folder).unlink(missing_ok=True)
        lock.release()
        raise
    return folder, lock


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")


def _sweep(home: Path) -> None:
    """Delete the folders whose processes are gone, and locks without a folder; those of other users stay."""
    for found in home.glob(f"{_PREFIX}*"):
        folder = found.with_name(found.name.removesuffix(_LOCK))
        if not _OURS.fullmatch(folder.name):
            continue
        with suppress(OSError):
            if found != folder and (folder.exists() or time.time() - found.stat().st_mtime < _YOUNG):
                continue
            _delete_if_left(folder)


def _delete_if_left(folder: Path) -> None:
    lock = FileLock(_lock_of(folder), is_singleton=False)
    with suppress(Timeout):
        lock.acquire(timeout=0)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_of(folder).unlink(missing_ok=True)
        finally:
            lock.release()
