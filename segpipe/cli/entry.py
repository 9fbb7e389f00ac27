"""The entry point: signals, and errors that become exit codes."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from segpipe.base.errors import MachineError, SegpipeError, Stopped
from segpipe.cli import app
from segpipe.cli.signals import Stopper


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code."""
    # threads of torch and FAISS that wait for each other spin for a moment only, then sleep: beside other work on the
    # same processors endless spinning made training eight times slower (read when the first of them is loaded)
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    stopper = Stopper()
    stopper.install()
    code = run_cli(sys.argv[1:] if arguments is None else arguments)
    stopper.done()
    sys.exit(code)


def run_cli(arguments: Sequence[str]) -> int:
    """Run a command; every error becomes an exit code and, without --debug, one line per cause."""
    try:
        return app.run(arguments)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Stopped as stopped:
        click.echo("stopped; the same command goes on from here", err=True)
        return stopped.exit_code
    except BrokenPipeError:
        return 0
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        if isinstance(error, SegpipeError):
            click.echo(f"error: {error}", err=True)
            return error.exit_code
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            click.echo(
                f"error: {error.filename or 'the disk'}: no space left; free some, then run the same command",
                err=True,
            )
            return MachineError.exit_code
        click.echo(
            f"internal error: {type(error).__name__}: {error}; --debug shows where, please report it",
            err=True,
        )
        return 1
