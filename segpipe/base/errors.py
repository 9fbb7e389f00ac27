"""Errors a user can meet, each with the exit code of its kind.

Every message is one line that names the value, the place and the way out. Options and settings are marked in it by
`named`, so that each face spells them its own way: `--threshold 2`, `threshold=2`, `extract.input_size=2`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

Speller = Callable[[str, str | None], str]
"""From the name of an option or the dotted key of a setting, and its value or None, to how a face writes it."""

_MARK = re.compile("\ue000([^\ue001\ue002]*)(?:\ue001([^\ue002]*))?\ue002")
_MISSING = object()


def named(name: str, value: Any = _MISSING) -> str:
    """An option or setting in a message, such as `named("extract.input_size", 7)`; without a value only its name."""
    return f"\ue000{name}\ue002" if value is _MISSING else f"\ue000{name}\ue001{plain(value)}\ue002"


def plain(value: Any) -> str:
    """A value as it is typed: a list with commas, several values of one option with spaces."""
    if isinstance(value, list | tuple):
        return ("," if isinstance(value, list) else " ").join(map(str, value))
    try:
        return str(value)
    except ValueError:  # an integer of more than 4,300 digits
        return "..."


def plainly(name: str, value: str | None) -> str:
    """As a config file and Python write it: `extract.input_size=7`."""
    return name if value is None else f"{name}={value}"


def spelled(text: str, speller: Speller = plainly) -> str:
    """A message with its options and settings written out.

    >>> spelled(f"{named('size', 7)} is too small", lambda name, value: f"--{name} {value}")
    '--size 7 is too small'
    """
    return _MARK.sub(lambda found: speller(found[1], found[2]), text)


class SegpipeError(Exception):
    """Base of the errors that end a command with one line instead of a traceback."""

    exit_code = 1

    def __str__(self) -> str:
        return spelled(super().__str__())

    def spelled(self, speller: Speller) -> str:
        """The message as a face writes it."""
        return spelled(super().__str__(), speller)


class UsageError(SegpipeError):
    """An argument, a setting or a config file is wrong."""

    exit_code = 2


class CorpusError(SegpipeError):
    """The input data cannot be worked on: no usable images, too few images, labels that match nothing."""

    exit_code = 3


class MachineError(SegpipeError):
    """This machine lacks something: weights while offline, a GPU that was asked for, disk space."""

    exit_code = 5


class LockedError(SegpipeError):
    """Another process works on the same run directory."""

    exit_code = 6


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or the end of the terminal: what was finished is kept, the same command goes on from there."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


SKIPPED = 4
"""Exit code of a run that finished but skipped some files (listed in corpus/rejected.jsonl)."""

_STOPPED = "stopped by Ctrl-C, SIGTERM or the end of the terminal; the same command goes on from there"
EXIT_CODES: Mapping[int, str] = {
    0: "done",
    SegpipeError.exit_code: "a mistake in segpipe itself (--debug shows the traceback)",
    UsageError.exit_code: "a wrong argument, setting or config file",
    CorpusError.exit_code: "the input cannot be worked on (no usable image, labels that match nothing)",
    SKIPPED: "done, but some files were skipped; RUN/corpus/rejected.jsonl says why",
    MachineError.exit_code: "this machine lacks something (weights while offline, a device, disk, memory, permission)",
    LockedError.exit_code: "another process works on the same run",
    Stopped(1).exit_code: _STOPPED,
    Stopped(2).exit_code: _STOPPED,
    Stopped(15).exit_code: _STOPPED,
}
"""What each exit code means, for the help and the reference."""


def exit_code_rows() -> list[tuple[str, str]]:
    """The table as it is shown: codes of one meaning share a row."""
    meanings = dict.fromkeys(EXIT_CODES.values())
    return [(", ".join(str(code) for code, text in EXIT_CODES.items() if text == said), said) for said in meanings]


class RenamedWarning(FutureWarning):
    """A word was used that will go with the next version."""


def warn(message: str) -> None:
    """Warn that something has a new name; the message says it."""
    warnings.warn(message, RenamedWarning, stacklevel=3)
