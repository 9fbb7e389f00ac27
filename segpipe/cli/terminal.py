"""What a person sees while work goes on: log lines and a progress bar on standard error, results on standard output."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TypeVar

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

from segpipe.base.runtime import Track, no_track

T = TypeVar("T")


class _Lines(logging.Handler):
    """Writes records through the console that draws the progress bar, so that they do not cut through it."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {text}"
        self._console.print(Text(text), soft_wrap=True)


class _Rate(ProgressColumn):
    """Finished items per second, from the last thirty seconds."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each")


def console(*, quiet: bool, verbose: bool) -> Console:
    """Set up logging to standard error and return the console it goes through."""
    screen = Console(stderr=True, highlight=False)
    logger = logging.getLogger("segpipe")
    logger.handlers = [_Lines(screen)]
    logger.propagate = False
    logger.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    warnings = logging.getLogger("py.warnings")
    warnings.handlers = [_Lines(screen)] if verbose else [logging.NullHandler()]
    warnings.propagate = False
    return screen


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
