"""Copy of a run on an object store: a folder of this machine that commands work on, and the head that it was made by.

It lies in the cache (`base.cache_folder`) and may be deleted whenever no command runs: all but work that was begun and
not finished is on the store.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import ValidationError

from segpipe.base import files, object_store
from segpipe.base.cache_folder import NOTE, RUNS, cache_folder
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.remote_path import RemotePath, place
from segpipe.records.manifest import Manifest
from segpipe.records.remote_head import RemoteHead, versions_of
from segpipe.store.object_folders import files_below
from segpipe.store.ownership import RUN

HEAD, FILES = "run.json", ".files"
SYNC, OWNER = ".remote.lock", ".remote.owner"
_SYNCED = ".remote.json"
_KEPT = (files.OUTPUT_MARKER, NOTE, SYNC, OWNER, ".lock", ".lock.json", "parts")


def remote_url(root: Path) -> RemotePath | None:
    """The run on a store that a path means: itself, or that of which it is the copy; None: a folder like any other."""
    if isinstance(place(root), RemotePath):
        return RemotePath(root)
    note = root / NOTE
    return RemotePath(files.read_text(note)) if note.is_file() else None


def copy_of(url: RemotePath) -> Path:
    """Where the copy of a run lies on this machine."""
    words = "_".join(part.rstrip(":") for part in url.parts)
    return cache_folder() / RUNS / f"{words[-100:]}.{files.digest(str(url))}"


def load_head(url: RemotePath) -> tuple[RemoteHead | None, str]:
    """The head of a run on a store and its ETag; None where there is no run.

    Raises:
        UsageError: it is damaged.
        SegpipeError: it cannot be read; in a line.
    """
    try:
        content, found = object_store.read(url / HEAD)
    except FileNotFoundError:
        return None, ""
    try:
        return RemoteHead.model_validate_json(content), found.etag
    except ValidationError as error:
        raise UsageError(f"{url / HEAD} is damaged, or of another version of segpipe; choose another run") from error


class RunCopy:
    """The copy of one run."""

    def __init__(self, url: RemotePath, root: Path, makers: Mapping[str, str]) -> None:
        """Name it; nothing is read or written.

        Args:
            url: the run on its store.
            root: the folder.
            makers: from each artefact's name to the stage that makes it.
        """
        self.url, self.root, self.makers = url, root, dict(makers)

    def begin(self) -> None:
        """Make the folder, which says whose copy it is."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_text(self.root / files.OUTPUT_MARKER, RUN.text)
        files.write_text(self.root / NOTE, str(self.url))

    def manifest(self) -> Manifest:
        """Of the copy; empty where it cannot be read, of which others tell."""
        try:
            values = files.read_json(self.root / "manifest.json")
            values.pop("sha256", None)
            return Manifest.model_validate(values)
        except (OSError, ValueError):
            return Manifest()

    def synced(self) -> tuple[RemoteHead, str]:
        """The head by which the copy was last made or written, and its ETag; empty ones for a run that is new."""
        try:
            said = files.read_json(self.root / _SYNCED)
            return RemoteHead.model_validate(said["head"]), str(said["etag"])
        except (OSError, ValueError, LookupError):
            return RemoteHead(), ""

    def note(self, head: RemoteHead, etag: str) -> None:
        """Remember the head that the copy has now."""
        files.write_json(self.root / _SYNCED, {"etag": etag, "head": head.model_dump(mode="json")})

    def follow(self) -> None:
        """Take over what others have written since the copy was made or last written; nobody works on it meanwhile.

        Artefacts that are others now are deleted, and fetched when they are wanted.
        """
        head, etag = load_head(self.url)
        if etag == self.synced()[1]:
            return  # what the copy has besides is of a command that was killed, and goes on from there
        if head is None:  # the run was deleted there
            self._clear([])
            (self.root / "parts" / "plan.json").unlink(missing_ok=True)
            self.note(RemoteHead(), "")
            return
        now = versions_of(self.manifest(), self.makers)
        same = [name for name, version in head.folders.items() if now.get(name) == version]
        self._clear([*same, *(name.split("/")[0] for name in head.files)])
        for name in self._small_files():
            if name not in head.files:
                (self.root / name).unlink()
        for name, sha256 in head.files.items():
            self._fetch_file(name, sha256)
        self.note(head, etag)

    def _clear(self, kept: Collection[str]) -> None:
        """Delete all but what is kept, and work that was begun."""
        for entry in self.root.iterdir():
            if entry.name in kept or entry.name in _KEPT or entry.name.endswith(".partial"):
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _fetch_file(self, name: str, sha256: str) -> None:
        try:
            content, _ = object_store.read(self.url / FILES / sha256)
        except FileNotFoundError as error:
            raise MachineError(
                f"{self.url}: {name} is gone, which the run names; run the same command again"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise MachineError(
                f"{self.url}: {name} has other bytes than the run says; run the command again that made it"
            )
        files.write_bytes(files.inside(self.root, name), content)

    def version(self, artefact: str) -> str | None:
        """Of an artefact that is on the store as the copy's manifest names it; None for others."""
        version = versions_of(self.manifest(), self.makers).get(artefact)
        return version if version is not None and self.synced()[0].folders.get(artefact) == version else None

    def head(self) -> RemoteHead:
        """What the run is as the copy has it."""
        found, old = versions_of(self.manifest(), self.makers), self.synced()[0].folders
        folders = {name: v for name, v in found.items() if (self.root / name).is_dir() or old.get(name) == v}
        return RemoteHead(files={name: files.sha256(self.root / name) for name in self._small_files()}, folders=folders)

    def _small_files(self) -> list[str]:
        found = list[str]()
        for entry in sorted(self.root.iterdir()):
            if entry.name.startswith(".") or entry.name in self.makers or entry.suffix in (".partial", ".old"):
                continue
            if entry.is_file():
                found.append(entry.name)
            elif entry.name == "parts":
                found += ["parts/plan.json"] if (entry / "plan.json").exists() else []
            else:
                found += [f"{entry.name}/{name}" for name in files_below(entry)]
        return found
