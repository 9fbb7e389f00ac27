"""Leases: which worker has a piece of work now, by files that every worker can see.

    00003.lease   held while somebody works; whoever could create it has it, and renews it by writing it again

A lease runs out when it was not renewed for so long. All times are those at which the file system says that files were
written: the age of a lease is compared with a file that is written to the same place at that moment, so that it does
not matter what the clocks of the workers say. A worker that goes on although its lease ran out does no harm: what is
done under a lease has the same bytes whoever does it, and appears whole.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from segpipe.base import files

ENDING = ".lease"
LEASE_MINUTES = 10.0
"""Without renewal after which a lease runs out, where nobody says otherwise."""
_RENEWALS = 4  # within the time after which a lease runs out


class FileClock(Protocol):
    """When files are written, and what time that is now."""

    def write(self, path: Path, text: str, *, new: bool = False) -> None:
        """Write a file in place; with `new` raise FileExistsError where it is there."""
        ...

    def now(self, folder: Path) -> float:
        """Seconds, by the clock that dates the files in a folder."""
        ...


class DiskClock:
    """The clock of the file system itself."""

    def write(self, path: Path, text: str, *, new: bool = False) -> None:
        """As of `FileClock`."""
        flags = os.O_WRONLY | (os.O_CREAT | os.O_EXCL if new else 0)
        handle = os.open(path, flags, 0o666)
        try:
            os.write(handle, text.encode())
            os.fsync(handle)  # a network file system tells its server, which dates it
        finally:
            os.close(handle)

    def now(self, folder: Path) -> float:
        """As of `FileClock`."""
        probe = folder / f".{uuid.uuid4().hex}.now"
        self.write(probe, ".", new=True)
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)


class Leases:
    """The leases of a folder, for one worker."""

    def __init__(self, folder: Path, *, seconds: float, clock: FileClock | None = None, owner: str = "") -> None:
        """Open a folder of leases, which is made where it is missing.

        Args:
            folder: on a file system that all workers share.
            seconds: without renewal after which a lease runs out.
            clock: of the file system; another one in simulations.
            owner: what this worker is called, if not by machine and process.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self.seconds, self._clock = folder, seconds, clock or DiskClock()
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._said = json.dumps({"owner": self.owner})

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{ENDING}"

    def now(self) -> float:
        """Seconds, by the clock that dates the leases."""
        return self._clock.now(self._folder)

    def take(self, name: str, *, seize: bool = False, now: Callable[[], float] | None = None) -> bool:
        """Try to get a lease: where nobody has it, where it ran out, or in any case (`seize`).

        Args:
            name: of the lease.
            seize: take it away from whoever has it.
            now: what `now()` said a moment ago, for who tries many.
        """
        path = self._path(name)
        if seize:
            self._replace(path)
            return True
        if path.exists():
            return self._ran_out(path, now) and self._take_over(path)
        try:
            self._clock.write(path, self._said, new=True)
        except FileExistsError:
            return False
        return True

    def _take_over(self, path: Path) -> bool:
        """Replace a lease that ran out by one's own; of many who want to, one at a time may look and do it."""
        turn = path.with_name(f"{path.name}.turn")
        try:
            self._clock.write(turn, self._said, new=True)
        except FileExistsError:
            if self._ran_out(turn):  # who wrote it was killed within a moment
                turn.unlink(missing_ok=True)
            return False
        try:
            if not path.exists() or not self._ran_out(path):
                return False  # another took it over before
            self._replace(path)
            return True
        finally:
            turn.unlink(missing_ok=True)

    def _replace(self, path: Path) -> None:
        """Write one's own lease in place of what is there, which is never away."""
        own = path.with_name(f".{uuid.uuid4().hex}.lease")
        self._clock.write(own, self._said, new=True)
        own.replace(path)

    def _ran_out(self, path: Path, now: Callable[[], float] | None = None) -> bool:
        try:
            written = path.stat().st_mtime
        except FileNotFoundError:
            return True
        return (now or self.now)() - written > self.seconds

    def renew(self, name: str) -> bool:
        """Date a lease anew; False where it is no longer this worker's."""
        path = self._path(name)
        if _owner(path) != self.owner:
            return False
        try:
            self._clock.write(path, "{")  # its first letter: if it is another's this moment, it stays that
        except FileNotFoundError:
            return False
        return True

    def give_back(self, name: str) -> None:
        """Delete a lease, if it is still this worker's."""
        if _owner(self._path(name)) == self.owner:
            self._path(name).unlink(missing_ok=True)

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Renew a lease that was taken for as long as the block runs, then give it back."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.seconds / _RENEWALS):
                if not self.renew(name):
                    return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.give_back(name)

    def running(self) -> dict[str, str]:
        """Who has which lease, of those that have not run out."""
        paths = sorted(path for path in self._folder.glob(f"*{ENDING}") if not path.name.startswith("."))
        if not paths:
            return {}
        found = {}
        try:
            now = self.now()
        except OSError:  # of who may only read
            now = time.time()
        for path in paths:
            try:
                fresh = now - path.stat().st_mtime <= self.seconds
            except FileNotFoundError:
                continue
            if fresh:
                found[path.name.removesuffix(ENDING)] = _owner(path)
        return found


def has_ended(owner: str) -> bool:
    """Whether a worker is a process of this machine that is there no more; of other machines nobody knows.

    >>> has_ended("elsewhere:1:0f")
    False
    """
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    return host == socket.gethostname() and rest.isdecimal() and not files.alive(int(rest))


def _owner(path: Path) -> str:
    """Whose a lease is; empty where it is gone, or only just being written."""
    try:
        value: Any = files.read_json(path).get("owner", "")
    except (OSError, ValueError):
        return ""
    return str(value)
