"""What a person sees while work goes on: log lines and a progress bar on standard error, results on standard output."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from segpipe.base.cache_folder import by_url
from segpipe.base.errors import SKIPPED, RenamedWarning
from segpipe.base.options import Report
from segpipe.base.printable import printable
from segpipe.base.runtime import Track, no_track
from segpipe.base.shown import counted

T = TypeVar("T")


class _Screen(Console):
    """A console whose reader may go: rich would end the process, with exit code 1."""

    def on_broken_pipe(self) -> None:
        """Be silent from here on."""
        self.quiet = True


class _Lines(logging.Handler):
    """Writes records through the console that draws the progress bar, so that they do not cut through it.

    A line that cannot be written, as nobody reads them any more or the disk is full, does not end the work.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        text = printable(by_url(self.format(record)).rstrip("\n"), keep="\n" if record.name == "py.warnings" else "")
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {text}"
        with suppress(OSError):
            self._console.print(Text(text), soft_wrap=True)


class _Rate(ProgressColumn):
    """Finished items per second, from the last thirty seconds."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each")


def console(*, quiet: bool, verbose: bool) -> Console:
    """Set up logging to standard error and return the console it goes through."""
    screen = _Screen(stderr=True, highlight=False)
    logger = logging.getLogger("segpipe")
    logger.handlers = [_Lines(screen)]
    logger.propagate = False
    logger.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    told = logging.getLogger("py.warnings")
    told.handlers = [_Lines(screen)] if verbose else [logging.NullHandler()]
    told.propagate = False
    return screen


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Show what `base.errors.warn` says as a line of its own, whatever Python does with warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", RenamedWarning)
        before = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, RenamedWarning):
                echo(f"warning: {message}", err=True)
            else:
                before(message, category, *place, **more)

        warnings.showwarning = show
        yield


def echo(text: str, *, err: bool = False, keep: str = "") -> None:
    """Print one line; whatever a name in it holds, it is shown and does nothing to the terminal.

    Where nobody reads any more nothing is printed, and the command goes on to its end: click would exit with code 1.

    Args:
        text: the line.
        err: to standard error.
        keep: characters that are no name's, such as line breaks of a traceback.
    """
    with suppress(BrokenPipeError):
        click.echo(printable(by_url(text), keep=keep), err=err)


def say(report: Report, *, quiet: bool) -> int:
    """Print what a command has to say; its exit code."""
    for line in report.lines if quiet else (*report.details, *report.lines):
        if isinstance(line, str):
            echo(line)
        else:
            _Screen(emoji=False).print(line)  # `:name:` is a name
    if report.skipped:
        place = "" if report.listed_in is None else f" ({report.listed_in})"
        echo(f"{counted(len(report.skipped), 'file')} skipped{place}:", err=True)
        for entry in report.skipped[:20]:
            echo(f"  {entry.path}: {entry.reason}", err=True)
        if len(report.skipped) > 20:
            echo(f"  and {len(report.skipped) - 20} more", err=True)
    if report.code is not None:
        return report.code
    return SKIPPED if report.skipped else 0


def tracker(screen: Console, *, quiet: bool) -> Track:
    """A progress bar with rate and time left; nothing where the output is no terminal."""
    if quiet or not screen.is_terminal:
        return no_track

    def track(items: Iterable[T], *, total: int, unit: str, done: int = 0) -> Iterator[T]:
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=screen, transient=True, speed_estimate_period=30) as progress:
            task = progress.add_task(unit, total=total, completed=done)
            for item in items:
                yield item
                progress.advance(task)

    return track
