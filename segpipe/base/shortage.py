"""What the machine lacks: errors that say nothing of the file that was being read or written, and their way out."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from segpipe.base.errors import MachineError, SegpipeError, UsageError
from segpipe.base.shown import quoted

_AGAIN = "then run the same command"
_NETWORK = f"its file system does not answer; mount it again, {_AGAIN}"
_PERMISSION = "no permission to read or write it; change that, or choose another place"
_MEMORY = "the memory is short; fewer runtime.workers take less"
_FILES = f"too many files are open; allow more with `ulimit -n 4096`, {_AGAIN}"
_SPACE = f"no space left; free some, {_AGAIN}"
_WAYS_OUT = {
    "ENOSPC": _SPACE,
    "EDQUOT": f"the disk quota is used up; free some space, {_AGAIN}",
    "EFBIG": f"the file would grow beyond what its file system or `ulimit -f` allows; allow more, {_AGAIN}",
    "EACCES": _PERMISSION,
    "EPERM": _PERMISSION,
    "EROFS": "its file system is read-only; choose another place",
    "EMFILE": _FILES,
    "ENFILE": f"the system has too many files open; close other programs, {_AGAIN}",
    "ENOMEM": _MEMORY,
    "EIO": f"the disk cannot be read or written there (input/output error); check it, {_AGAIN}",
    "ESTALE": _NETWORK,
    "ETIMEDOUT": _NETWORK,
    "ENOTCONN": _NETWORK,
    "EHOSTDOWN": _NETWORK,
}
_NUMBERS = {getattr(errno, name): text for name, text in _WAYS_OUT.items() if hasattr(errno, name)}
_OF_PATH = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EILSEQ}
"""What a path itself makes impossible."""
_WORDS = (
    (r"out of memory|cannot allocate|unable to allocate|can't allocate|insufficient memory|malloc failed", "ENOMEM"),
    (r"failed to map segment", "ENOMEM"),
    (r"no space left|disk full|disk is full", "ENOSPC"),
    (r"quota exceeded", "EDQUOT"),
    (r"file too large", "EFBIG"),
    (r"too many open files", "EMFILE"),
    (r"input/output error|disk i/o error", "EIO"),
    (r"permission denied", "EACCES"),
    (r"read-only file system", "EROFS"),
    (r"stale file", "ESTALE"),
)
"""How GDAL, SQLite, torch and others word the same."""
_OF_MEMORY = re.compile(_WORDS[0][0], re.I)
_NO_THREAD = re.compile(r"can't start new thread|thread creation failed", re.I)


def is_of_memory(error: BaseException) -> bool:
    """Whether an error, or its cause, says that memory is short."""
    return isinstance(error, MemoryError) or bool(_OF_MEMORY.search(str(error.__cause__ or error)))


def raise_shortage(path: Path, error: BaseException) -> None:
    """Do nothing where an error is a file's own.

    Raises:
        MachineError: it is the machine's: a full disk, no memory, too few descriptors, no permission, a broken disk.
    """
    text = _way_out(error, str(path))
    if text is not None:
        raise MachineError(f"{path}: {text}") from error


def of_machine(error: BaseException) -> SegpipeError | None:
    """What an error that nobody expected says to a person, where the machine or a path is to blame; None: a mistake.

    Causes are looked at too: libraries wrap what the system says.
    """
    for each in _chain(error):
        text = _way_out(each, _place(each))
        if text is not None:
            return MachineError(f"{_place(each) or 'this machine'}: {text}")
        if isinstance(each, UnicodeEncodeError) and sys.getfilesystemencoding() != "utf-8":
            letter = quoted(each.object[each.start : each.end])
            return MachineError(
                f"file names of this system are {each.encoding}, which has no {letter}; set PYTHONUTF8=1, or LC_ALL to "
                "a locale of UTF-8"
            )
        if (isinstance(each, OSError) and each.errno == errno.EAGAIN) or _NO_THREAD.search(str(each)):
            return MachineError("no further process or thread can be started; raise `ulimit -u`, or runtime.workers=1")
    if not isinstance(error, OSError) or error.errno is None:
        return None
    place = _place(error)
    if error.errno == errno.ENOENT and not place:  # tempfile's, which looked everywhere
        text = " ".join(str(error.strerror).split())
        return MachineError(f"{text}; set TMPDIR to a folder that can be written") if "temporary" in text else None
    if not place:
        return None
    if error.errno == errno.ENOENT:
        return MachineError(f"{place}: no such file or folder; put it back if it was removed, {_AGAIN}")
    kind = UsageError if error.errno in _OF_PATH else MachineError
    return kind(f"{place}: {error.strerror}; choose another place")


def _way_out(error: BaseException, place: str) -> str | None:
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return _NUMBERS[error.errno]
    if isinstance(error, MemoryError):
        return _MEMORY
    said = str(error.__cause__ or error)
    text = said.replace(place, "") if place else said
    for pattern, name in _WORDS:
        if re.search(pattern, text, re.I):
            return _WAYS_OUT[name]
    return None


def _place(error: BaseException) -> str:
    names = getattr(error, "filename2", None), getattr(error, "filename", None)
    found = next((name for name in names if name is not None and not isinstance(name, int)), "")
    return os.fsdecode(found) if isinstance(found, str | bytes | os.PathLike) else str(found)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, the first error last."""
    for _ in range(10):  # a chain may be a ring
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
