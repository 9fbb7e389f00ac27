"""The entry point: signals, and errors that become exit codes."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

from segpipe.base.errors import SegpipeError, Stopped
from segpipe.cli.signals import Stopper


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code."""
    # threads of torch and FAISS that wait for each other spin for a moment only, then sleep: beside other work on the
    # same processors endless spinning made training eight times slower (read when the first of them is loaded)
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows few letters gets the others as \\u....
            stream.reconfigure(errors="backslashreplace")
    stopper = Stopper()
    stopper.install()
    try:
        code = run_cli(sys.argv[1:] if arguments is None else arguments, stopper.done)
    except Stopped as stopped:  # a second one, while the first was told
        code = stopped.exit_code
    stopper.done()
    _let_go()
    sys.exit(code)


def _let_go() -> None:
    """Where nobody reads the output any more Python would say so at its end, and exit with a code of its own."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:  # Python's word for one that was closed from the start
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _tell(text: str, *, keep: str = "") -> None:
    """A line to standard error, if that can be written: the exit code says what happened all the same."""
    from segpipe.cli.terminal import echo

    with suppress(OSError, ValueError):
        echo(text, err=True, keep=keep)


def run_cli(arguments: Sequence[str], done: Callable[[], None] = lambda: None) -> int:
    """Run a command; every error becomes an exit code and, without --debug, one line per cause.

    Args:
        arguments: what was typed.
        done: called when the command has ended; may raise `Stopped`.
    """
    try:
        code = _run(arguments)
        done()
        return code
    except Stopped as stopped:
        with suppress(OSError, ValueError):  # nothing that needs an import
            sys.stderr.write("stopped; the same command goes on from here\n")
        return stopped.exit_code


def _run(arguments: Sequence[str]) -> int:
    """As `run_cli`, but for signals."""
    import click  # here, where signals are listened to already

    from segpipe.base.shortage import of_machine
    from segpipe.cli import app

    try:
        return app.run(arguments)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        _tell(shown.getvalue().rstrip("\n"), keep="\n")
        return error.exit_code
    except BrokenPipeError:
        return 0
    except Exception as error:
        if "--debug" in arguments:
            _tell(traceback.format_exc().rstrip(), keep="\n")
        known = error if isinstance(error, SegpipeError) else of_machine(error)
        if known is not None:
            _tell(f"error: {known}")
            return known.exit_code
        _tell(f"internal error: {type(error).__name__}: {error}; --debug shows where, please report it")
        return SegpipeError.exit_code
