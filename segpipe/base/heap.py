"""Heap of the process: let freed memory go back to the system at once, for programs that run long and shall stay small.

glibc keeps what threads have freed, in a heap for each of them, and takes larger and larger blocks from it; a server
that decodes photographs in several threads so grows to twice what it holds.
"""

from __future__ import annotations

import ctypes
import sys

_ARENAS, _MMAP_THRESHOLD = -8, -3  # of mallopt(3)
_LARGE = 1 << 20  # bytes: blocks from there are the system's, and go back when they are freed


def stay_small() -> bool:
    """Tell the allocator; whether it understands that."""
    if not sys.platform.startswith("linux"):
        return False
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is None:
        return False
    return bool(change(_ARENAS, 2)) and bool(change(_MMAP_THRESHOLD, _LARGE))
