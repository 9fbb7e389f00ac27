"""Lock of a run on an object store: an object that one command alone can make, and that it renews while it works.

A lock that was not renewed for two minutes is of a command that ended; it is replaced, by one of those who want to.
Times are the store's own. A command that finds its lock replaced changes the run no more.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segpipe.base import files, object_store
from segpipe.base.errors import LockedError, SegpipeError
from segpipe.base.object_store import Outrun
from segpipe.base.remote_path import RemotePath

NAME = ".lock"
_SECONDS = 120.0
_RENEWALS = 4


class RemoteLock:
    """The lock of one run, for one command."""

    def __init__(self, run: RemotePath, note: Path, *, seconds: float = _SECONDS) -> None:
        """Name the lock; nothing is written.

        Args:
            run: on a store.
            note: file of this machine by which a lock of a killed command is known as one's own.
            seconds: without renewal after which the lock is nobody's.
        """
        self._place, self._note, self._seconds = run / NAME, note, seconds
        self._run, self._etag, self._lost = run, "", False
        self._owner = uuid.uuid4().hex

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while the block runs.

        Raises:
            LockedError: another command has it.
        """
        self._take()
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._give_back()

    def check(self) -> None:
        """See that the lock is still held.

        Raises:
            LockedError: another command took it.
        """
        if self._lost:
            raise LockedError(
                f"{self._run}: another command took the run while the store could not be reached for "
                f"{self._seconds:g} seconds; nothing was changed since then; run the same command again"
            )

    def _said(self) -> bytes:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        return json.dumps(
            {"owner": self._owner, "host": socket.gethostname(), "pid": os.getpid(), "since": since}
        ).encode()

    def _take(self) -> None:
        try:
            self._etag = object_store.put(self._place, self._said(), new=True)
        except Outrun:
            self._take_over()
        files.write_text(self._note, self._owner)

    def _take_over(self) -> None:
        """Replace a lock that is one's own, or ran out."""
        try:
            content, found = object_store.read(self._place)
        except FileNotFoundError:  # it was given back a moment ago
            return self._take()
        holder = _parse(content)
        own = holder.get("owner", "") in (self._owner, self._noted())
        if not own and self._now() - found.modified <= self._seconds:
            raise LockedError(
                f"{self._run} is in use by process {holder.get('pid')} on {holder.get('host')} since "
                f"{holder.get('since')}; wait for it to end, or {self._seconds:g} seconds after it was killed"
            )
        try:
            self._etag = object_store.put(self._place, self._said(), instead_of=found.etag)
        except Outrun as error:
            raise LockedError(f"{self._run}: another command took the run this moment; wait for it to end") from error
        return None

    def _noted(self) -> str:
        return files.read_text(self._note) if self._note.exists() else self._owner

    def _now(self) -> float:
        """Seconds by the store's clock."""
        probe = self._run / f".{uuid.uuid4().hex}.now"
        object_store.put(probe, b".")
        try:
            return object_store.head(probe).modified
        finally:
            object_store.delete(self._run, [probe.name])

    def _beat(self, ended: threading.Event) -> None:
        while not self._lost and not ended.wait(self._seconds / _RENEWALS):
            self._beat_once()

    def _beat_once(self) -> None:
        try:
            self._etag = object_store.put(self._place, self._said(), instead_of=self._etag)
        except Outrun:
            self._lost = not self._is_own()
        except SegpipeError:  # the next time, or it is lost
            return

    def _is_own(self) -> bool:
        """Whether the lock is this one's: a renewal whose answer was lost was done all the same."""
        try:
            content, found = object_store.read(self._place)
        except (FileNotFoundError, SegpipeError):
            return False
        self._etag = found.etag
        return bool(_parse(content).get("owner") == self._owner)

    def _give_back(self) -> None:
        if not self._lost and self._is_own():
            object_store.delete(self._run, [NAME])
        self._note.unlink(missing_ok=True)


def _parse(content: bytes) -> dict[str, Any]:
    try:
        found = files.parse_json(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
