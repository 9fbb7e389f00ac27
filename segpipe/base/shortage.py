"""What the machine lacks: errors that say nothing of the file that was being read or written."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from segpipe.base.errors import MachineError

_NAMES = ("ENOSPC", "EDQUOT", "ENOMEM", "EMFILE", "ENFILE", "EACCES", "EIO", "ESTALE", "ETIMEDOUT", "EROFS")
_NUMBERS = {getattr(errno, name) for name in _NAMES if hasattr(errno, name)}
_OF_MEMORY = re.compile(r"out of memory|cannot allocate|unable to allocate|insufficient memory|malloc failed", re.I)
_OF_MACHINE = re.compile(
    r"no space left|disk full|quota exceeded|too many open files|input/output error|permission denied|stale file", re.I
)
"""How GDAL and others word the same."""


def is_of_memory(error: BaseException) -> bool:
    """Whether an error, or its cause, says that memory is short."""
    return isinstance(error, MemoryError) or bool(_OF_MEMORY.search(str(error.__cause__ or error)))


def raise_shortage(path: Path, error: BaseException) -> None:
    """Do nothing where an error is a file's own.

    Raises:
        MachineError: it is the machine's: a full disk, no memory, too few descriptors, no permission, a broken disk.
    """
    if isinstance(error, OSError) and error.errno in _NUMBERS and error.errno != errno.ENOMEM:
        raise MachineError(f"{path}: {error.strerror}; mend that, then run the same command") from error
    text = " ".join(str(error.__cause__ or error).replace(str(path), "").split())[:200]
    if is_of_memory(error) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        raise MachineError(f"{path}: the memory is short; fewer runtime.workers take less") from error
    if _OF_MACHINE.search(text):
        raise MachineError(f"{path}: {text}; mend that, then run the same command") from error
