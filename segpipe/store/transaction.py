"""Transactions: several files and folders of a run change together, or none does, whenever the process is killed.

    RUN/.staging/      what is to be, while it is made
    RUN/.journal.json  written when all of it is there: which entries move into the run, and which are removed

Without a journal the staging folder is left by a process that was killed, and is deleted. With one the change is
decided: moving what is still in the staging folder finishes it, however often that is begun again.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import UsageError

_STAGING, _JOURNAL, _ASIDE = ".staging", ".journal.json", ".aside"
_FORMAT = 1


@contextmanager
def staged(
    root: Path, *, copied: Collection[str] = (), whole: Collection[str], gone: Collection[str] = ()
) -> Iterator[Path]:
    """Yield a folder to write to; when the block ends without error all that differs moves into `root` together.

    Args:
        root: the run, locked by this process.
        copied: names of files that lie in the folder from the start, where the run has them; one that is deleted there
            is deleted from the run.
        whole: names of folders that replace those of the run; of other folders file by file moves.
        gone: names of files and folders that are removed, where the staging folder has no others for them.
    """
    staging = root / _STAGING
    recover(root)
    staging.mkdir()
    there = [name for name in copied if (root / name).is_file()]
    try:
        for name in there:
            shutil.copyfile(root / name, staging / name)
        yield staging
        moves = [name for name in _made(staging, whole) if _differs(staging / name, root / name)]
        removals = [name for name in (*there, *gone) if not (staging / name).exists()]
        if moves or removals:
            _sync_all(staging, moves)
            files.write_json(root / _JOURNAL, {"format": _FORMAT, "moves": moves, "removals": removals})
    except BaseException:
        if not (root / _JOURNAL).exists():
            shutil.rmtree(staging, ignore_errors=True)
        raise
    recover(root)


def pending(root: Path) -> bool:
    """Whether a change of this run was decided and is not finished: what lies there is partly old and partly new."""
    return (root / _JOURNAL).exists()


def recover(root: Path) -> None:
    """Finish a change that was decided, delete what is left of one that was not; the caller holds the run's lock.

    Raises:
        UsageError: the journal is damaged.
    """
    staging, journal = root / _STAGING, root / _JOURNAL
    if journal.exists():
        decided = _read(journal)
        for name in decided["moves"]:
            _move(staging, root, name)
        for name in decided["removals"]:
            _remove(staging, root, name)
        files.sync(root)
        journal.unlink()
    if staging.exists():
        shutil.rmtree(staging)


def _made(staging: Path, whole: Collection[str]) -> Iterator[str]:
    for entry in sorted(staging.iterdir()):
        if entry.is_file() or entry.name in whole:
            yield entry.name
            continue
        yield from (path.relative_to(staging).as_posix() for path in sorted(entry.rglob("*")) if path.is_file())


def _differs(made: Path, there: Path) -> bool:
    return made.is_dir() or not there.is_file() or made.read_bytes() != there.read_bytes()


def _sync_all(staging: Path, moves: Collection[str]) -> None:
    """The journal must not survive a power cut that what it speaks of does not."""
    for name in moves:
        files.sync(staging / name)
    files.sync(staging)


def _move(staging: Path, root: Path, name: str) -> None:
    """Put one entry in its place; where it is not in the staging folder it was moved before a kill."""
    source, target = files.inside(staging, name), files.inside(root, name)
    if not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():  # a folder cannot be renamed over one that holds files
        _put_aside(staging, target)
    source.replace(target)


def _remove(staging: Path, root: Path, name: str) -> None:
    target = files.inside(root, name)
    if target.is_dir() and not target.is_symlink():
        _put_aside(staging, target)
    else:
        target.unlink(missing_ok=True)


def _put_aside(staging: Path, target: Path) -> None:
    """Into the staging folder, which is deleted at last: deleting takes longer than a rename, and may be cut off."""
    aside = staging / _ASIDE
    aside.mkdir(parents=True, exist_ok=True)
    target.rename(aside / target.name)


def _read(journal: Path) -> dict[str, Any]:
    try:
        decided = files.read_json(journal)
        names = [*decided["moves"], *decided["removals"]]
        if decided["format"] != _FORMAT or not all(isinstance(name, str) for name in names):
            raise ValueError("of another format")
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{journal} is damaged ({error}): a change of this run was begun and cannot be finished; delete it and "
            f"{journal.with_name(_STAGING)}, then `segpipe name {journal.parent}` says what is there"
        ) from error
    return decided
