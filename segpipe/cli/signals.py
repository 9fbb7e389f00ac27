"""Signals: Ctrl-C, SIGTERM and the end of a terminal (SIGHUP) end a command by an exception.

So what is held is given back on the way out.

An exception can be lost: Python drops one that is raised in a destructor or in a callback of a library, and one that
is raised while a library of C++ is being imported ends the process by abort. So the signal is raised again until the
command has ended, at once where Python says that it dropped it, and not within an import.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from segpipe.base.errors import Stopped

_TIMED = hasattr(signal, "setitimer")  # not on Windows
_SOON = 0.1
_LOST = 10.0
"""Seconds until the next try: while something is imported or after an exception that was dropped, and after one that
may have been lost, or be on its way out."""


class Stopper:
    """Raises `Stopped` when SIGINT, SIGTERM or SIGHUP comes, and again until `done` is called."""

    def __init__(self) -> None:
        self._number = 0

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
        """The command has ended: nothing is raised any more."""
        self._number = 0
        _wake(0)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._number = number
        waits = _TIMED and _imports(frame)
        _wake(_SOON if waits else _LOST)
        if not waits:
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


def _wake(seconds: float) -> None:
    if _TIMED:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
