"""Errors a user can meet, each with the exit code of its kind.

Every message is one line that names the value, the place and the way out.
"""


class SegpipeError(Exception):
    """Base of the errors that end a command with one line instead of a traceback."""

    exit_code = 1


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
    """Ctrl-C or SIGTERM. What was finished is kept and the same command goes on from there."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


PUT_ASIDE = 4
"""Exit code of a run that finished but put some files aside (listed in corpus/rejected.jsonl)."""
