"""Signals: Ctrl-C, SIGTERM and the end of a terminal (SIGHUP) end a command by an exception.

So what is held is given back on the way out.

An exception can be lost: Python drops one that is raised in a destructor or in a callback of a library, and one that
is raised while a library of C++ is being imported ends the process by abort. One that is raised while threads or
processes are begun or waited for, in Python's own modules, leaves locks half taken: errors of its own, or a wait
without end. So the signal is raised again until the command has ended, at once where Python says that it dropped it,
not within an import, and within those modules only where they wait. Once the command has ended, a signal ends the
process: there is nothing to give back, and Python would show a traceback of its own clearing up.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from segpipe.base.errors import Stopped

_PYTHON = Path(os.__file__).parent
_SHARING = ("threading.py", "concurrent", "queue.py", "subprocess.py")
_TIMED = hasattr(signal, "setitimer")  # not on Windows
_SOON = 0.05
_LOST = 10.0
"""Seconds until the next try: while something is imported or after an exception that was dropped, and after one that
may have been lost, or be on its way out."""


class Stopper:
    """Raises `Stopped` when SIGINT, SIGTERM or SIGHUP comes, and again until `done` is called."""

    def __init__(self) -> None:
        self._number, self._ended = 0, False
        self._raised = False
        self._seen: tuple[int, int] | None = None

    def install(self) -> None:
        """Take over the signals; the main thread alone may do so."""
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # not below nohup
            signal.signal(signal.SIGHUP, self._stop)
        if _TIMED:
            signal.signal(signal.SIGALRM, self._again)
        sys.unraisablehook = self._dropped

    def done(self) -> None:
        """The command has ended: nothing is raised any more.

        Raises:
            Stopped: a signal came that was still to be raised.
        """
        number, self._number, self._ended = self._number, 0, True
        _wake(0)
        if number and not self._raised:
            raise Stopped(number)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._ended:
            _leave(number)
        self._number = number
        here = (id(frame), frame.f_lasti) if frame is not None else None
        waits = here == self._seen  # at the same instruction as at the look before
        self._seen = here
        later = _TIMED and (_imports(frame) or (_shares(frame) and not waits))
        _wake(_SOON if later else _LOST)
        if not later:
            self._raised = True
            raise Stopped(number)

    def _dropped(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Python drops an exception, and says so: no traceback of ours, and the next try soon."""
        if isinstance(unraisable.exc_value, Stopped):
            _wake(_SOON if self._number else 0)
        else:
            sys.__unraisablehook__(unraisable)

    def _again(self, number: int, frame: FrameType | None) -> None:
        if self._number:
            self._stop(self._number, frame)


def _leave(number: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it is being written to, or nobody reads it
            stream.flush()
    os._exit(128 + number)


def _wake(seconds: float) -> None:
    if _TIMED:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _shares(frame: FrameType | None) -> bool:
    """Whether Python's own modules work on what threads or processes share, up to the first frame of others."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        part = path.relative_to(_PYTHON).parts[0] if path.is_relative_to(_PYTHON) else "site-packages"
        if part in ("site-packages", *_SHARING):
            return part in _SHARING
        frame = frame.f_back
    return False


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
