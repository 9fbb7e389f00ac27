"""OUT appears whole or not at all: what is not finished lies beside it, and the next call goes on from there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segpipe.base import files
from segpipe.store import transaction
from segpipe.store.ownership import Kind, check_free, locked

_KEY = ".key"
_OURS = {".lock", ".lock.json", files.OUTPUT_MARKER}


def _never() -> bool:
    return False


@contextmanager
def unfinished(out: Path, kind: Kind, key: str) -> Iterator[Path]:
    """Yield the folder OUT.partial to write to; when the block ends without error, all in it becomes OUT.

    What a call with the same key left there is still there; of any other key it is deleted. Files whose names begin
    with a dot do not come into OUT. An OUT that is there gives way as a whole: a journal makes that one change.

    Args:
        out: need not exist.
        kind: what it becomes.
        key: fingerprint of all that decides what is written.

    Raises:
        UsageError: OUT, or OUT.partial, is not of this kind and holds files.
        LockedError: another process writes to it.
        MachineError: it cannot be written.
    """
    check_free(out, kind, earlier=_never)
    home = out.with_name(f"{out.name}.partial")
    with locked(home, kind, earlier=_never):
        if not (home / _KEY).is_file() or files.read_text(home / _KEY) != key:
            _empty(home)
            files.write_text(home / _KEY, key)
        files.sweep(home)
        yield home
        made = sorted(entry.name for entry in home.iterdir() if not entry.name.startswith("."))
        if out.exists():
            _replace(out, kind, home, made)
            shutil.rmtree(home, ignore_errors=True)  # while it is ours
        else:
            _become(out, home)


def _empty(home: Path) -> None:
    (home / _KEY).unlink(missing_ok=True)  # first: half emptied it must not be taken for a beginning
    for entry in home.iterdir():
        if entry.name in _OURS:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _become(out: Path, home: Path) -> None:
    for entry in home.iterdir():
        if entry.name.startswith(".") and entry.name != files.OUTPUT_MARKER:
            entry.unlink()
    for folder, _, names in os.walk(home):
        for name in names:
            files.sync(Path(folder, name))
    home.rename(out)
    files.sync(out.parent)


def _replace(out: Path, kind: Kind, home: Path, made: list[str]) -> None:
    with locked(out, kind, earlier=_never):
        transaction.recover(out)
        earlier = [entry.name for entry in out.iterdir() if not entry.name.startswith(".")]
        gone = [name for name in earlier if name not in made]
        with transaction.staged(out, whole=made, gone=gone) as folder:
            (home / _KEY).unlink()  # first: what is left when this is cut off is no beginning
            for name in made:
                (home / name).rename(folder / name)
