"""A run on an object store, and the copy of it on this machine that commands work on.

    RUN/run.json                    the head: which of all objects are the run; written last, in one step
    RUN/<artefact>/<version>/...    the files of an artefact
    RUN/.files/<sha256>             all others: settings, manifest, names
    RUN/.lock                       held by the command that changes the run

What a command opens is fetched, an artefact at a time. What a stage finished is written: its files first, then the
head. A command that is killed before leaves the run as it was; its copy on this machine goes on from there. Objects
that the head does not name are deleted by the next command that holds the run.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from segpipe.base import files, object_store
from segpipe.base.cache_folder import cache_folder
from segpipe.base.errors import LockedError, MachineError, UsageError
from segpipe.base.object_store import Outrun
from segpipe.base.remote_path import RemotePath
from segpipe.records.manifest import Manifest
from segpipe.records.remote_head import RemoteHead, versions_of
from segpipe.store.object_folders import files_below, pull_folder, push_folder
from segpipe.store.ownership import RUN
from segpipe.store.remote_lock import RemoteLock

HEAD, FILES, URL = "run.json", ".files", ".remote"
_SYNCED, _SYNC = ".remote.json", ".remote.lock"
_KEPT = (files.OUTPUT_MARKER, URL, _SYNC, ".lock", ".lock.json", ".remote.owner", "parts")
_log = logging.getLogger(__name__)


def remote_url(root: Path) -> RemotePath | None:
    """The run on a store that a path means: itself, or that of which it is the copy; None: a folder like any other."""
    if isinstance(root, RemotePath):
        return root
    note = root / URL
    return RemotePath(files.read_text(note)) if note.is_file() else None


def copy_of(url: RemotePath) -> Path:
    """Where the copy of a run lies on this machine."""
    words = "_".join(part.rstrip(":") for part in url.parts)
    return cache_folder() / "runs" / f"{words[-100:]}.{files.digest(str(url))}"


class RemoteRun:
    """One run on a store with its copy on this machine."""

    def __init__(self, url: RemotePath, copy: Path, makers: Mapping[str, str]) -> None:
        """Name both; nothing is read or written.

        Args:
            url: the run.
            copy: its copy, a folder of segpipe's.
            makers: from each artefact's name to the stage that makes it.
        """
        self.url, self.copy, self._makers = url, copy, dict(makers)
        self._lock = RemoteLock(url, copy / ".remote.owner")

    # --- reading --------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the copy to what the store has now, unless a command on this machine works on it.

        Raises:
            SegpipeError: the store cannot be read; in a line.
        """
        self.copy.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_text(self.copy / files.OUTPUT_MARKER, RUN.text)
        files.write_text(self.copy / URL, str(self.url))
        with FileLock(self.copy / _SYNC):
            busy = FileLock(self.copy / ".lock", is_singleton=False)
            try:
                busy.acquire(timeout=0)
            except Timeout:
                return
            try:
                self._follow()
            finally:
                busy.release()

    def _follow(self) -> None:
        """Take over what another machine has written since this copy was made or last written."""
        head, etag = self._read_head()
        known = self._synced()
        if etag == known:
            return
        if head is None:  # the run was deleted there
            self._clear({})
            self._note("")
            return
        now = versions_of(self._manifest(), self._makers)
        self._clear({name: version for name, version in head.folders.items() if now.get(name) == version})
        for name, sha256 in head.files.items():
            self._fetch_file(name, sha256)
        files.write_json(self.copy / _SYNCED, {"etag": etag, "head": head.model_dump(mode="json")})

    def _clear(self, kept: Mapping[str, str]) -> None:
        """Delete all of the copy but artefacts that are still the same, and work that was begun."""
        (self.copy / "parts" / "plan.json").unlink(missing_ok=True)
        for entry in self.copy.iterdir():
            begun = entry.name.endswith(".partial") or entry.name in _KEPT
            if entry.name in kept or begun:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _fetch_file(self, name: str, sha256: str) -> None:
        place = self.url / FILES / sha256
        try:
            content, _ = object_store.read(place)
        except FileNotFoundError as error:
            raise MachineError(f"{place} ({name}) is gone, which the run names; try again") from error
        files.write_bytes(files.inside(self.copy, name), content)

    def _read_head(self) -> tuple[RemoteHead | None, str]:
        place = self.url / HEAD
        try:
            content, found = object_store.read(place)
        except FileNotFoundError:
            return None, ""
        try:
            head = RemoteHead.model_validate_json(content)
        except ValidationError as error:
            raise UsageError(f"{place} is damaged, or of another version of segpipe; choose another run") from error
        return head, found.etag

    def _manifest(self) -> Manifest:
        try:
            values = files.read_json(self.copy / "manifest.json")
            values.pop("sha256", None)
            return Manifest.model_validate(values)
        except (OSError, ValueError):
            return Manifest()

    def _synced(self) -> str:
        return str(self._state().get("etag", ""))

    def _state(self) -> dict[str, object]:
        try:
            return files.read_json(self.copy / _SYNCED)
        except (OSError, ValueError):
            return {}

    def head(self) -> RemoteHead:
        """Which objects were the run when the copy was last compared with it; empty for a new one."""
        state = self._state()
        return RemoteHead.model_validate(state["head"]) if state.get("head") else RemoteHead()

    def _version(self, artefact: str) -> str | None:
        """Of an artefact that the copy's manifest names and the store has."""
        version = versions_of(self._manifest(), self._makers).get(artefact)
        return version if version is not None and self.head().folders.get(artefact) == version else None

    def has(self, artefact: str) -> bool:
        """Whether the store has an artefact as the copy's manifest names it."""
        return self._version(artefact) is not None

    def fetch(self, artefact: str) -> None:
        """Fetch an artefact that the store has and the copy lacks."""
        version = None if (self.copy / artefact).is_dir() else self._version(artefact)
        if version is not None:
            pull_folder(self.url / artefact / version, self.copy / artefact)

    def place_of(self, artefact: str) -> RemotePath:
        """Where the files of an artefact lie."""
        return self.url / artefact / self.head().folders.get(artefact, "")

    # --- writing --------------------------------------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run while the block runs, and write at its end what was changed; the copy is locked by the caller.

        Raises:
            LockedError: another command holds it.
            UsageError: the place holds other objects.
        """
        with self._lock.held():
            self._follow()
            self._check_free()
            self._sweep()
            try:
                yield
            finally:
                self.publish()

    def _check_free(self) -> None:
        if self._synced():
            return
        others = [name for name in object_store.names(self.url) if not name.startswith(".") and name not in self._makers]
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
        old, new = self.head(), self._now()
        if old == new:
            return
        for name, sha256 in new.files.items():
            if sha256 not in old.files.values():
                object_store.put(self.url / FILES / sha256, self.copy / name)
        for artefact, version in new.folders.items():
            if old.folders.get(artefact) != version:
                done = push_folder(self.copy / artefact, self.url / artefact / version)
                _log.info("wrote    %s: %d files, %.1f MB", self.url / artefact, done.files, done.bytes / 1e6)
        self._lock.check()
        content, known = new.model_dump_json(indent=2).encode(), self._synced()
        try:
            etag = object_store.put(self.url / HEAD, content, new=not known, instead_of=known or None)
        except Outrun as error:
            if self._read_head()[0] != new:  # a write whose answer was lost was done all the same
                raise LockedError(f"{self.url}: another command changed the run meanwhile; run it again") from error
            etag = self._read_head()[1]
        files.write_json(self.copy / _SYNCED, {"etag": etag, "head": new.model_dump(mode="json")})

    def _now(self) -> RemoteHead:
        """What the copy is now."""
        found, old = versions_of(self._manifest(), self._makers), self.head().folders
        folders = {name: v for name, v in found.items() if (self.copy / name).is_dir() or old.get(name) == v}
        return RemoteHead(files={name: files.sha256(self.copy / name) for name in self._small_files()}, folders=folders)

    def _small_files(self) -> list[str]:
        found = list[str]()
        for entry in sorted(self.copy.iterdir()):
            if entry.name.startswith(".") or entry.name in self._makers or entry.suffix in (".partial", ".old"):
                continue
            if entry.is_file():
                found.append(entry.name)
            elif entry.name == "parts":
                found += ["parts/plan.json"] if (entry / "plan.json").exists() else []
            else:
                found += [f"{entry.name}/{name}" for name in files_below(entry)]
        return found

    def _sweep(self) -> None:
        """Delete objects that the head does not name: of commands that were killed, and of what was replaced."""
        head, stages = self.head(), self._manifest().stages
        for artefact, stage in self._makers.items():
            closed = f"{stages[stage].key}.partial" if stage in stages else ""
            for version in object_store.names(self.url / artefact):
                begun = version.endswith(".partial") and version != closed  # parts, which others do just now
                if version != head.folders.get(artefact) and not begun:
                    _delete_all(self.url / artefact / version)
            if closed:
                _delete_all(self.url / "parts" / stage / stages[stage].key)
        named = set(head.files.values())
        object_store.delete(self.url / FILES, [name for name in object_store.names(self.url / FILES) if name not in named])

    def _note(self, etag: str) -> None:
        files.write_json(self.copy / _SYNCED, {"etag": etag})


def _delete_all(place: RemotePath) -> None:
    object_store.delete(place, [each.name for each in object_store.walk(place)])
