"""Work in a child of this warm process, watched from outside: how it ended, what it said, how much memory it took."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trials.kills.bench import command, fork

K = TypeVar("K")

_SECONDS = 120.0
_MEMORY = 4 << 30
_LONGEST = 5_000
_STEP = 0.02
_WORDS = re.compile(r"Traceback \(most recent|Fatal Python error|Segmentation fault")


@dataclass(frozen=True)
class Ended:
    """How some work ended."""

    code: int
    """The exit code; minus the signal where one ended it."""
    said: bytes
    """Standard output and standard error."""
    peak: int
    """Bytes of memory that its processes took together at one time, beyond what they began with."""
    hung: bool
    """It was ended for it took too long."""
    memory: int
    """Bytes that it was allowed."""

    @property
    def fault(self) -> str:
        """What must not be, in the words of a row; empty where it ended with a result or with one line."""
        if self.hung:
            return "hang"
        if self.peak > self.memory:
            return "too much memory"
        if self.code < 0:
            return "crash"
        if self.code not in (0, 2, 3, 4, 5, 6) or _WORDS.search(self.text):
            return "internal error"
        return ""

    @property
    def wordy(self) -> bool:
        """Whether an error is more than the one line, or the ten of wrong settings, that it should be."""
        return self.code in (2, 3, 5) and (len(self.said) > _LONGEST or self.text.count("\n") > 12)

    @property
    def text(self) -> str:
        """What it said, as text."""
        return self.said.decode("utf-8", "replace")

    def __str__(self) -> str:
        lines = self.text.strip().split("\n")
        return f"exit {self.code}, {self.peak >> 20} MiB: {lines[-1][:300]}"


@dataclass
class _Running:
    pid: int
    log: Path
    began: float
    base: int = 0
    peak: int = 0
    hung: bool = False


def each(
    works: Iterable[tuple[K, Callable[[], None]]],
    folder: Path,
    *,
    jobs: int,
    seconds: float = _SECONDS,
    memory: int = _MEMORY,
) -> Iterator[tuple[K, Ended]]:
    """Do pieces of work in children, `jobs` side by side, and yield how each of them ended.

    Args:
        works: a name of each, and what it does.
        folder: where what they say is kept meanwhile.
        jobs: how many side by side.
        seconds: a child is ended after as many, by the clock.
        memory: bytes that a child and its own children may take together; above, it is ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    running: dict[K, _Running] = {}
    rest = iter(enumerate(works))
    more = True
    while more or running:
        while more and len(running) < jobs:
            found = next(rest, None)
            more = found is not None
            if found is not None:
                number, (key, work) = found
                log = folder / f"{number}.log"
                running[key] = _Running(fork(lambda work=work: _alone(work), log), log, time.monotonic())  # type: ignore[misc]
        for key, child in list(running.items()):
            status = _look(child, seconds, memory)
            if status is not None:
                del running[key]
                said = child.log.read_bytes()
                child.log.unlink()
                yield key, Ended(os.waitstatus_to_exitcode(status), said, child.peak, child.hung, memory)
        time.sleep(_STEP)


def one(work: Callable[[], None], folder: Path, *, seconds: float = _SECONDS, memory: int = _MEMORY) -> Ended:
    """Do one piece of work in a child."""
    ((_, ended),) = each([("", work)], folder, jobs=1, seconds=seconds, memory=memory)
    return ended


def segpipe(*arguments: str | os.PathLike[str]) -> Callable[[], None]:
    """A command of segpipe as work."""
    return lambda: command([os.fspath(part) for part in arguments])


def _alone(work: Callable[[], None]) -> None:
    os.setsid()  # so that all of it can be ended
    work()


def _look(child: _Running, seconds: float, memory: int) -> int | None:
    """Wait for a child without waiting; end it where it takes too much. The status with which it ended."""
    child.base = child.base or _taken(child.pid)  # of what it shares with this process a part alone counts as its own
    child.peak = max(child.peak, sum(_taken(pid) for pid in _family(child.pid)) - child.base)
    late = time.monotonic() - child.began > seconds
    if late or child.peak > memory:
        child.hung = late
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    pid, status, _ = os.wait4(child.pid, os.WNOHANG)
    if not pid:
        return None
    with suppress(ProcessLookupError, PermissionError):  # whom it left behind
        os.killpg(child.pid, signal.SIGKILL)
    return status


def _family(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        for task in Path(f"/proc/{pid}/task").iterdir():
            if task.name != str(pid):
                found += (task / "children").read_text("ascii").split()
    except OSError:
        return [pid]
    return [pid, *(other for child in found for other in _family(int(child)))]


def _taken(pid: int) -> int:
    """Bytes of memory that a process holds."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
