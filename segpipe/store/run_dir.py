"""The run directory: config, manifest, lock, and artefacts that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from segpipe.base import files
from segpipe.base.errors import LockedError, MachineError, UsageError
from segpipe.records.manifest import Manifest, StageRecord

_KEY = ".key"
_MARKER = ".segpipe"
_MARKER_TEXT = "This directory is a run of segpipe: its stages replace what lies in it.\n"
_NOBODYS = {".lock", ".lock.json", ".DS_Store", "Thumbs.db", "desktop.ini"}
"""What an empty directory may hold: left by us, or by file managers."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run on disk. `makers` maps each artefact's directory name to the stage that makes it."""

    root: Path
    makers: Mapping[str, str]

    def path(self, artefact: str) -> Path:
        """The directory of a finished artefact.

        Raises:
            UsageError: it does not exist; the message names the stage that makes it.
        """
        path = self.root / artefact
        if not path.is_dir():
            stage = self.makers[artefact]
            raise UsageError(f"{self.root} has no {artefact}/ yet; make it with `segpipe {stage} {self.root}`")
        return path

    def has(self, artefact: str) -> bool:
        """Whether a finished artefact of this name exists."""
        return (self.root / artefact).is_dir()

    def claim(self) -> None:
        """Make the directory a run: a new one, an empty one, or one that is a run already.

        Raises:
            UsageError: it holds files and was not begun by segpipe, whose stages would replace them.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        marker = self.root / _MARKER
        if marker.exists():
            return
        held = sorted(entry.name for entry in self.root.iterdir() if entry.name not in _NOBODYS)
        if held and not self._begun_before_markers():
            shown = f"{', '.join(held[:3])}{' ...' if len(held) > 3 else ''}"
            raise UsageError(
                f"{self.root} is no run and holds other files ({shown}); choose a new directory, "
                f"such as {self.root / 'run'}"
            )
        files.write_text(marker, _MARKER_TEXT)

    def _begun_before_markers(self) -> bool:
        """Whether it is a run of a version that wrote no marker: its manifest can be read."""
        try:
            return (self.root / "manifest.json").exists() and bool(self.manifest().stages)
        except UsageError:
            return False

    @contextmanager
    def writing(self, artefact: str) -> Iterator[Path]:
        """Yield an empty directory that becomes the artefact when the block ends without error."""
        with self.resuming(artefact) as partial:
            for entry in partial.iterdir():
                if entry.name != _KEY:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            yield partial

    @contextmanager
    def resuming(self, artefact: str) -> Iterator[Path]:
        """Like `writing`, but what an interrupted attempt with the same key left is still there."""
        partial, final, old = (self.root / f"{artefact}{suffix}" for suffix in (".partial", "", ".old"))
        partial.mkdir(parents=True, exist_ok=True)
        yield partial
        (partial / _KEY).unlink(missing_ok=True)
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        partial.rename(final)
        files.sync(self.root)
        shutil.rmtree(old, ignore_errors=True)

    def prepare(self, artefact: str, key: str) -> None:
        """Make the next attempt at an artefact belong to `key`: leftovers of any other key are deleted."""
        partial = self.root / f"{artefact}.partial"
        mark = partial / _KEY
        if partial.exists() and not (mark.exists() and mark.read_text("utf-8") == key):
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        files.write_text(mark, key)

    def manifest(self) -> Manifest:
        """What is finished.

        Raises:
            UsageError: the file is damaged or of a later version.
        """
        path = self.root / "manifest.json"
        if not path.exists():
            return Manifest()
        try:
            return Manifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise UsageError(
                f"{path} is damaged or was written by another version of segpipe "
                f"({error.error_count()} wrong fields); delete it to run every stage again"
            ) from error

    def record(self, stage: str, record: StageRecord | None) -> None:
        """Write a finished stage into the manifest, or take it out (None) before its artefact is replaced."""
        manifest = self.manifest()
        stages = {name: kept for name, kept in manifest.stages.items() if name != stage}
        if record is not None:
            stages[stage] = record
        files.write_text(
            self.root / "manifest.json",
            manifest.model_copy(update={"stages": stages}).model_dump_json(indent=2) + "\n",
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; the system frees it even after `kill -9`.

        Raises:
            LockedError: another process holds it.
            MachineError: the directory cannot be written.
            UsageError: it is not a run.
        """
        try:
            self.claim()
            lock = FileLock(self.root / ".lock")
            holder = self.root / ".lock.json"
            try:
                lock.acquire(timeout=0)
            except Timeout as error:
                who = json.loads(holder.read_text("utf-8")) if holder.exists() else {}
                raise LockedError(
                    f"{self.root} is in use by process {who.get('pid', 'unknown')} since {who.get('since', '?')}; "
                    "wait for it to end or choose another run directory"
                ) from error
        except OSError as error:
            raise MachineError(
                f"{self.root}: cannot write here ({error.strerror}); choose another run directory"
            ) from error
        try:
            files.write_json(holder, {"pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")})
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()
