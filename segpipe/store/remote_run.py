"""A run on an object store.

    RUN/run.json                    the head: which of all objects are the run; written last, in one step
    RUN/<artefact>/<version>/...    the files of an artefact
    RUN/.files/<sha256>             all others: settings, manifest, names
    RUN/.lock                       held by the command that changes the run

Commands work on a copy (`store.run_copy`). What a command opens is fetched, an artefact at a time. What a stage
finished is written: its files first, then the head. A command that is killed before leaves the run as it was; its copy
on this machine goes on from there. Objects that the head does not name are deleted by the next command that holds the
run; what parts have left, by the next that closes their stage or begins it otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from filelock import FileLock, Timeout

from segpipe.base import files, object_store
from segpipe.base.errors import LockedError, UsageError
from segpipe.base.object_store import Outrun
from segpipe.base.remote_path import RemotePath
from segpipe.records.remote_head import RemoteHead
from segpipe.store.object_folders import pull_folder, push_folder
from segpipe.store.ownership import RUN
from segpipe.store.part_folder import FOLDER
from segpipe.store.remote_lock import RemoteLock
from segpipe.store.run_copy import FILES, HEAD, OWNER, SYNC, RunCopy, copy_of, load_head

_PARTIAL = ".partial"
_log = logging.getLogger(__name__)


class RemoteRun:
    """One run on a store with its copy on this machine."""

    def __init__(self, url: RemotePath, makers: Mapping[str, str]) -> None:
        """Name both; nothing is read or written.

        Args:
            url: the run.
            makers: from each artefact's name to the stage that makes it.
        """
        self.url, self.copy = url, copy_of(url)
        self._copy = RunCopy(url, self.copy, makers)
        self._lock = RemoteLock(url, self.copy / OWNER)
        self._begun = dict[str, list[str]]()  # names of what parts have left, by place

    def refresh(self) -> None:
        """Bring the copy to what the store has now, unless a command on this machine works on it.

        Raises:
            SegpipeError: the store cannot be read; in a line.
        """
        self._copy.begin()
        with FileLock(self.copy / SYNC):
            busy = FileLock(self.copy / ".lock", is_singleton=False)
            try:
                busy.acquire(timeout=0)
            except Timeout:
                return
            try:
                self._copy.follow()
            finally:
                busy.release()

    def has(self, artefact: str) -> bool:
        """Whether the store has an artefact as the copy's manifest names it."""
        return self._copy.version(artefact) is not None

    def fetch(self, artefact: str) -> None:
        """Fetch an artefact that the store has and the copy lacks."""
        version = None if (self.copy / artefact).is_dir() else self._copy.version(artefact)
        if version is not None:
            pull_folder(self.url / artefact / version, self.copy / artefact)

    def place_of(self, name: str) -> RemotePath:
        """Where a file of an artefact lies, or all of it."""
        artefact, *rest = name.split("/")
        return self.url / artefact / self._copy.synced()[0].folders.get(artefact, "") / "/".join(rest)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run while the block runs, and write at its end what was changed; the copy is locked by the caller.

        Raises:
            LockedError: another command holds it.
            UsageError: the place holds other objects.
        """
        with self._lock.held():
            self._copy.follow()
            self._check_free()
            self._sweep()
            try:
                yield
            finally:
                self.publish()

    def _check_free(self) -> None:
        if self._copy.synced()[1]:
            return
        there = (name for name in object_store.names(self.url) if not name.startswith("."))
        others = [name for name in there if name not in (*self._copy.makers, FOLDER)]
        if others:
            raise UsageError(
                f"{self.url} is no run of segpipe and holds other objects ({', '.join(sorted(others)[:3])}); choose "
                f"another place, such as {self.url / 'run'}"
            )
        object_store.put(self.url / files.OUTPUT_MARKER, RUN.text.encode())

    def publish(self) -> None:
        """Write what the copy has and the store has not, then the head.

        Raises:
            LockedError: another command took the run meanwhile.
        """
        (old, etag), new = self._copy.synced(), self._copy.head()
        if old == new:
            return
        for name, sha256 in new.files.items():
            if sha256 not in old.files.values():
                object_store.put(self.url / FILES / sha256, (self.copy / name).read_bytes())
        for artefact, version in new.folders.items():
            if old.folders.get(artefact) != version:
                done = push_folder(self.copy / artefact, self.url / artefact / version)
                _log.info("wrote    %s: %d files, %.1f MB", self.url / artefact, done.files, done.bytes / 1e6)
        self._lock.check()
        self._copy.note(new, self._put_head(new, etag))

    def _put_head(self, new: RemoteHead, etag: str) -> str:
        """Write the head in the place of the one with an ETag; the new ETag."""
        content = new.model_dump_json(indent=2).encode()
        try:
            return object_store.put(self.url / HEAD, content, new=not etag, instead_of=etag or None)
        except Outrun as error:
            there, now = load_head(self.url)
            if there != new:  # a write whose answer was lost was done all the same
                raise LockedError(f"{self.url}: another command changed the run meanwhile; run it again") from error
            return now

    def _sweep(self) -> None:
        """Delete objects that the head does not name: of commands that were killed, and of what was replaced.

        Of parts those stay whose stage is not closed yet: others do them just now.
        """
        head, stages = self._copy.synced()[0], self._copy.manifest().stages
        parts = self.url / FOLDER
        self._begun = {f"{FOLDER}/{stage}": object_store.names(parts / stage) for stage in object_store.names(parts)}
        for artefact, stage in self._copy.makers.items():
            there = object_store.names(self.url / artefact)
            self._begun[artefact] = [version for version in there if version.endswith(_PARTIAL)]
            for version in there:
                if version != head.folders.get(artefact) and not version.endswith(_PARTIAL):
                    _delete_all(self.url / artefact / version)
            if stage in stages:
                self._drop(artefact, stages[stage].key.__eq__)
        named, home = set(head.files.values()), self.url / FILES
        object_store.delete(home, [name for name in object_store.names(home) if name not in named])

    def drop_attempts(self, artefact: str, *, kept: str = "") -> None:
        """Delete what parts have left of an artefact at other keys than `kept`, when the run was taken; it is held."""
        self._drop(artefact, kept.__ne__)

    def _drop(self, artefact: str, goes: Callable[[str], bool]) -> None:
        """Delete what parts have left of an artefact, at those keys that go."""
        for place in (artefact, f"{FOLDER}/{self._copy.makers[artefact]}"):
            for name in self._begun.get(place, ()):
                if goes(name.removesuffix(_PARTIAL).partition("-")[0]):  # records of a round have its number too
                    _delete_all(self.url / place / name)


def _delete_all(place: RemotePath) -> None:
    object_store.delete(place, [each.name for each in object_store.walk(place)])
