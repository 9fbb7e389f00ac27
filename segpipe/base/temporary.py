"""Temporary folders that do not outlive their process for long: what was killed is cleared away by the next one."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from segpipe.base.errors import MachineError

_PREFIX, _LOCK = "segpipe.", ".lock"
_YOUNG = 60.0  # seconds: a lock without its folder may be one that is being made


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield an empty folder that is deleted when the block ends, or by the next call after the process was killed.

    Who lives is told by a lock and not by a process id: containers that share a folder count processes for themselves.

    Raises:
        MachineError: no temporary folder can be written.
    """
    try:
        home = Path(tempfile.gettempdir())
        _sweep(home)
        folder = home / f"{_PREFIX}{secrets.token_hex(8)}"
        lock = FileLock(_lock_of(folder), mode=0o600)
        lock.acquire()
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise MachineError(
            f"no temporary folder can be made ({error.strerror or error}); let TMPDIR name one with room"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _lock_of(folder).unlink(missing_ok=True)
        lock.release()


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")


def _sweep(home: Path) -> None:
    """Delete the folders whose processes are gone, and locks without a folder; those of other users stay."""
    for found in home.glob(f"{_PREFIX}*"):
        folder = found.with_name(found.name.removesuffix(_LOCK))
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
