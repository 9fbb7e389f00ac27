"""Command job: a command of segpipe that takes longer, run beside the server as a process of its own, with progress."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from segpipe.base.errors import SegpipeError
from segpipe.base.shown import shorten

_STYLE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_COUNT = re.compile(r"^\s*(?P<unit>[A-Za-z][\w ]*?)\s+[━╸╺╼╾─\- ]*\s*(?P<done>\d+)/(?P<of>\d+)\b")
_ENDING = 5.0  # seconds that a process may take to end when it is told to
_KEPT = 20  # lines


class CommandJob:
    """One command at work."""

    def __init__(self, what: str, arguments: Sequence[str], finished: Callable[[], None]) -> None:
        """Begin it.

        Args:
            what: the command as a person types it.
            arguments: of `segpipe`.
            finished: called once it has ended well, before the job counts as ended.
        """
        self.what, self._finished = what, finished
        self._done, self._of, self._line = 0, 0, "starting"
        self.failed: str | None = None
        self.running = True
        # a terminal is told of the progress, and this is taken for one
        environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
        environment.pop("NO_COLOR", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "segpipe", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def state(self) -> dict[str, Any]:
        """For the page."""
        return {
            "what": self.what,
            "done": self._done,
            "of": self._of,
            "line": self._line,
            "failed": self.failed,
        }

    def wait(self, seconds: float | None = None) -> None:
        """Until it has ended."""
        self._thread.join(seconds)

    def stop(self) -> None:
        """End it; what it had not finished is undone by whoever opens the run next."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_ENDING)
            if self._process.poll() is None:
                self._process.kill()
        self._thread.join(_ENDING)

    def _follow(self) -> None:
        assert self._process.stderr is not None
        said = list[str]()
        buffer = b""
        with self._process.stderr as stream:
            while chunk := os.read(stream.fileno(), 1 << 14):
                *lines, buffer = re.split(rb"[\r\n]+", buffer + chunk)
                for line in (plain_line(each) for each in lines):
                    if line:
                        self._hear(line)
                        said = [*said, line][-_KEPT:]
        code = self._process.wait()
        if code == 0:
            try:
                self._finished()
            except SegpipeError as error:
                self.failed = str(error)
        else:
            errors = [line for line in said if line.startswith("error:")]
            told = (errors or said or [f"it ended with code {code}"])[-1]
            self.failed = told.removeprefix("error:").strip()
        self.running = False

    def _hear(self, line: str) -> None:
        found = progress_of(line)
        if found is not None:
            self._done, self._of = found[1], found[2]
            self._line = f"{found[0]} {found[1]}/{found[2]}"
        else:
            self._line = shorten(line, 200)


def plain_line(text: bytes) -> str:
    """A line of a terminal without colors and movements."""
    return _STYLE.sub("", text.decode("utf-8", "replace")).strip()


def progress_of(line: str) -> tuple[str, int, int] | None:
    """What a progress bar counts, how many are done, of how many; None of other lines.

    >>> progress_of("images ━━━━━━╸   3/10 1.2/s 0:00:05")
    ('images', 3, 10)
    """
    found = _COUNT.match(line)
    return (found["unit"], int(found["done"]), int(found["of"])) if found else None
