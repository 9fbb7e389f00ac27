"""Compilation: functions compiled to machine code at first use (numba), cached on disk where it can be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile `function` at first use; it releases the GIL, so that threads of this process can run it side by side.

    The machine code is kept beside the source file, or in the user's cache folder where the package cannot be written
    (NUMBA_CACHE_DIR names another); where neither can be, every process compiles for itself. It is found again by the
    source file's time, the processor, and the types: a helper compiled into it must live in the same file. Division by
    zero gives infinity, as in numpy.
    """
    return _compiled(function)


def compiled_sums(function: F) -> F:
    """As `compiled`, but sums may be added up in another order: that of the processor's vectors, the same every time.

    What is equal still comes out equal; another processor may round the last digit otherwise.
    """
    return _compiled(function, fastmath={"reassoc", "contract"})


def _compiled(function: F, **options: Any) -> F:
    try:
        return cast(F, njit(nogil=True, cache=True, error_model="numpy", **options)(function))
    except RuntimeError:  # no folder for the cache can be written
        return cast(F, njit(nogil=True, error_model="numpy", **options)(function))


@compiled
def _nothing() -> None:
    pass


def kept_in() -> Path | None:
    """The folder in which compiled code of this module is kept; None if it is not kept."""
    path = cast(Any, _nothing).stats.cache_path
    return Path(path) if path else None
