"""Decoders at work: what they throw becomes one error, and what they warn of stays with them."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType

from rasterio.errors import NotGeoreferencedWarning

from segpipe.base.errors import MachineError
from segpipe.base.geometry import Size
from segpipe.base.guarded import SECONDS, allow, memory_limit
from segpipe.base.shortage import is_of_memory, raise_shortage
from segpipe.images.headers import BadImage

_SECONDS_A_MEGAPIXEL = 2.0
"""Of processor time at most; most files take 0.03."""


def memory_for(pixels: int) -> int:
    """Bytes that decoding an image may take: 16 a pixel (progressive CMYK, deep rasters) and room for blocks."""
    return (3 << 30) + 16 * pixels


def allow_pixels(size: Size) -> None:
    """In a guarded process: give the call the time that decoding an image of a size may take."""
    allow(SECONDS + _SECONDS_A_MEGAPIXEL * size.height * size.width / 1e6)


def takes_too_much(error: BaseException) -> str:
    """Why a file is to blame where memory was short: in a guarded process it had enough; empty otherwise."""
    limit = memory_limit()
    if limit is None or not is_of_memory(error):
        return ""
    return f"takes more than {limit / 2**30:.1f} GiB of memory to decode"


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever a decoder throws at a damaged file into `BadImage`, and keep its warnings to itself.

    What the machine lacks is a `MachineError`: it is not the file's fault.
    """
    try:
        with _QUIET:
            yield
    except (BadImage, MachineError):
        raise
    except Exception as error:  # decoders meet damaged files with any exception there is
        text = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
        greedy = takes_too_much(error)
        if greedy:
            raise BadImage(path, greedy) from error
        raise_shortage(path, error)
        raise BadImage(path, f"cannot be decoded: {text[:200]}") from error


_TALKATIVE = (
    "PIL.TiffImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.Image",
    "rasterio._env",
    "rasterio._io",
    "rasterio._base",
)
"""Loggers whose lines name no file and say nothing that an error of ours does not."""


def _nothing(_: logging.LogRecord) -> bool:
    return False


class _Quiet:
    """Hides the warnings and log lines of Pillow and rasterio while at least one thread is decoding.

    `warnings.catch_warnings` changes the whole process, so that overlapping uses in two threads would restore each
    other's filters. Here the first thread in changes them and the last one out restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\b")
                warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
                for name in _TALKATIVE:
                    logging.getLogger(name).addFilter(_nothing)
            self._users += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._filters.__exit__(None, None, None)
                for name in _TALKATIVE:
                    logging.getLogger(name).removeFilter(_nothing)


_QUIET = _Quiet()


def quiet() -> AbstractContextManager[None]:
    """Hide warnings of Pillow and rasterio that a user can do nothing about."""
    return _QUIET
