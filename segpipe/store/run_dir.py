"""The run directory: config, manifest, lock, and artefacts that appear whole or not at all."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from segpipe.base import files
from segpipe.base.errors import LockedError, MachineError, UsageError
from segpipe.base.shortage import raise_shortage
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
            UsageError: it holds files and was not begun by segpipe, whose stages would replace them; or its path is not
                UTF-8.
        """
        files.check_utf8(self.root)
        self.root.mkdir(parents=True, exist_ok=True)
        marker = self.root / _MARKER
        if marker.exists():
            return
        held = sorted(name for name in _names(self.root) if name not in _NOBODYS and not files.is_unfinished(name))
        # what another process has begun this moment holds the marker by now: it is the first to be written
        if held and not marker.exists() and not self._begun_before_markers():
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
        if old.exists():
            shutil.rmtree(old)
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
            MachineError: it cannot be read.
        """
        path = self.root / "manifest.json"
        try:
            return Manifest.model_validate(json.loads(files.read_text(path)))
        except FileNotFoundError:
            return Manifest()
        except OSError as error:
            raise_shortage(path, error)
            raise UsageError(f"{path} cannot be read ({error.strerror}); choose another run directory") from error
        except (ValueError, RecursionError) as error:
            wrong = f"{error.error_count()} wrong fields" if isinstance(error, ValidationError) else "it is no JSON"
            raise UsageError(
                f"{path} is damaged or was written by another version of segpipe ({wrong}); delete it to run every "
                "stage again"
            ) from error

    def record(self, stage: str, record: StageRecord | None) -> None:
        """Write a finished stage into the manifest, or take it out (None) before its artefact is replaced."""
        manifest = self.manifest()
        stages = {name: kept for name, kept in manifest.stages.items() if name != stage}
        if record is not None:
            stages[stage] = record
        new = manifest.model_copy(update={"stages": stages})
        files.write_json(self.root / "manifest.json", _finite(new.model_dump(mode="json")))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; the system frees it even after `kill -9`.

        Raises:
            LockedError: another process holds it.
            MachineError: the directory cannot be written.
            UsageError: it is not a run.
        """
        lock, holder = FileLock(self.root / ".lock"), self.root / ".lock.json"
        try:
            self.claim()
            lock.acquire(timeout=0)
        except Timeout as error:
            raise LockedError(
                f"{self.root} is in use by {_holder(holder)}; wait for it to end or choose another run directory"
            ) from error
        except OSError as error:
            raise_shortage(self.root, error)
            raise MachineError(
                f"{self.root}: cannot write here ({error.strerror}); choose another run directory"
            ) from error
        try:
            files.write_json(holder, {"pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")})
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


def _finite(value: Any) -> Any:
    """JSON values with null for what is no number."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def _holder(note: Path) -> str:
    """Who holds the run, as far as its note can be read: it may be half-written, or gone this moment."""
    try:
        who = json.loads(note.read_text("utf-8"))
        return f"process {int(who['pid'])} since {who['since']}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "another process"
