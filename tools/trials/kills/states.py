"""States: what lies on disk before every file-system event of a process, copied while the process waits.

What SIGKILL leaves is what lies on disk at that moment, so a copy made before the event stands for a kill there, and
one run of the command gives all of them. A file that is opened to be written anew gives one more state: the file cut
to nothing, as a kill between opening and writing leaves it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGING = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC

Event = tuple[str, Path | None]
"""In words, and the file that is opened to be written anew."""


def on_events(told: Callable[[Event], None]) -> None:
    """Call `told` before every event of this process that changes the file system, one thread at a time."""
    own, busy, turn = os.getpid(), threading.local(), threading.Lock()

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if name not in _CHANGING and name != "open":
            return
        if getattr(busy, "now", False) or os.getpid() != own:
            return
        event = _event(name, arguments)
        if event is None:
            return
        busy.now = True
        try:
            with turn:
                told(event)
        finally:
            busy.now = False

    sys.addaudithook(hook)


def _event(name: str, arguments: tuple[Any, ...]) -> Event | None:
    if name != "open":
        return f"{name} {' '.join(str(part) for part in arguments[:2] if not isinstance(part, int))}", None
    path, _, flags = arguments
    if not isinstance(flags, int) or not flags & _WRITING or not isinstance(path, str | bytes | os.PathLike):
        return None
    anew = bool(flags & os.O_TRUNC or (flags & os.O_CREAT and flags & os.O_EXCL))
    return f"open {os.fsdecode(path)}", Path(os.fsdecode(path)) if anew else None


def kill_before(number: int) -> None:
    """End this process with SIGKILL before its event of that number, counted from 0."""
    seen = 0

    def told(_: Event) -> None:
        nonlocal seen
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    on_events(told)


class Recorder:
    """Copies a folder before every event; states that are equal are kept once."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._folder, self._out = folder, out
        self._last: Any = None
        self._states = 0
        self.events = 0
        out.mkdir(parents=True)

    def __call__(self, event: Event) -> None:
        """Keep the state before an event, and the one after it where it opens a file anew."""
        said, opened = event
        said, number = said.replace(str(self._folder), "RUN"), self.events
        self.events += 1
        found = _listing(self._folder)
        if found != self._last:
            self._last = self._copy({"event": number, "said": said, "torn": False})
        if opened is not None and opened.is_relative_to(self._folder) and opened.parent.is_dir():
            last = self._out / f"{self._states - 1:05d}" / "run"
            state = self._new({"event": number, "said": said, "torn": True})
            shutil.copytree(last, state, symlinks=True)
            (state / opened.relative_to(self._folder)).write_bytes(b"")

    def _new(self, about: dict[str, Any]) -> Path:
        place = self._out / f"{self._states:05d}"
        place.mkdir()
        (place / "about.json").write_text(json.dumps(about), "utf-8")
        self._states += 1
        return place / "run"

    def _copy(self, about: dict[str, Any]) -> Any:
        """Copy until nothing changed meanwhile: other threads go on until their next event."""
        state = self._new(about)
        while True:
            before = _listing(self._folder)
            shutil.rmtree(state, ignore_errors=True)
            try:
                if self._folder.is_dir():
                    shutil.copytree(self._folder, state, symlinks=True)
            except (OSError, shutil.Error):
                continue
            if _listing(self._folder) == before:
                return before


def _listing(folder: Path) -> list[tuple[str, int, int, int]]:
    found = [(str(folder), 0, 0, 0)] if folder.is_dir() else []
    for place, folders, names in os.walk(folder):
        for name in sorted((*folders, *names)):
            path = os.path.join(place, name)  # noqa: PTH118  thousands of times
            try:
                stat = os.lstat(path)
            except FileNotFoundError:
                continue
            size, changed = (0, 0) if name in folders else (stat.st_size, stat.st_mtime_ns)
            found.append((path, stat.st_ino, size, changed))
    return found
