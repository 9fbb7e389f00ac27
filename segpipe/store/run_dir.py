"""The run directory: config, manifest, lock, and artefacts that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segpipe.base import checksums, files
from segpipe.base.errors import UsageError
from segpipe.base.known_sums import KnownSums
from segpipe.base.shortage import raise_shortage
from segpipe.records.manifest import Manifest, StageRecord
from segpipe.store import transaction
from segpipe.store.ownership import RUN, claim, locked
from segpipe.store.remote_run import RemoteRun

KEY = ".key"
"""File by which what is being made of an artefact says whose it is: the key of its stage."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a stage declares of what it makes."""

    maker: str
    """The stage."""
    unlisted: Sequence[str] = ()
    """Patterns of files whose checksums are not listed: see `checksums.write_sums`."""
    progress: str = ""
    """The folder in it of what its making goes on from, which stays like the key until the stage is recorded."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run on disk."""

    root: Path
    artefacts: Mapping[str, Artefact]
    """By the name of their directory."""
    under: Path | None = None
    """Of a draft: the run that it is a draft of, where artefacts are read that the draft does not hold."""
    known: KnownSums | None = None
    """Checksums of files of the artefact that is being made: parts that wrote them have read them."""
    remote: RemoteRun | None = None
    """Of a run on an object store: the run there, of which `root` is the copy on this machine."""

    @property
    def makers(self) -> dict[str, str]:
        """From each artefact's directory name to the stage that makes it."""
        return {name: artefact.maker for name, artefact in self.artefacts.items()}

    @property
    def place(self) -> Path:
        """Where the run lies, as a person names it."""
        return self.root if self.remote is None else self.remote.url

    def shown(self, name: str) -> Path:
        """Where a person finds a file of a finished artefact, or all of it."""
        return self.root / name if self.remote is None else self.remote.place_of(name)

    def path(self, artefact: str) -> Path:
        """The directory of a finished artefact, whose files were looked at: see `checksums.check_opened`.

        Raises:
            UsageError: it does not exist; the message names the stage that makes it.
            MachineError: its bytes changed on disk.
        """
        path = self._find(artefact)
        if path is None:
            stage, root = self.artefacts[artefact].maker, self.under or self.root
            raise UsageError(f"{root} has no {artefact}/ yet; make it with `segpipe {stage} {root}`")
        checksums.check_opened(path, self.expected(artefact))
        return path

    def file(self, artefact: str, name: str) -> Path | None:
        """One file of a finished artefact, of whose files no other was looked at; None where it is not there.

        Raises:
            MachineError: its bytes changed on disk.
        """
        folder = self._find(artefact)
        if folder is None or not (folder / name).exists():
            return None
        checksums.check_file(folder / name)
        return folder / name

    def expected(self, artefact: str) -> str:
        """The checksum of an artefact's list, as the manifest holds it; empty where it holds none."""
        record = self.manifest().stages.get(self.makers.get(artefact, ""))
        return record.checksum if record else ""

    def has(self, artefact: str) -> bool:
        """Whether a finished artefact of this name exists."""
        return (self.remote is not None and self.remote.has(artefact)) or self._find(artefact) is not None

    def _find(self, artefact: str) -> Path | None:
        if self.remote is not None:
            self.remote.fetch(artefact)
        homes = [self.root] if self.under is None else [self.root, self.under]
        return next((home / artefact for home in homes if (home / artefact).is_dir()), None)

    @contextmanager
    def draft(self, files: Sequence[str]) -> Iterator[RunDir]:
        """Yield a copy of the run to change; when the block ends without error all changes become the run's together.

        Artefacts are read from this run until the draft has its own. The caller holds the lock.

        Args:
            files: names of the files that the draft has from the start, beside settings and manifest.
        """
        copied = ("config.yaml", "manifest.json", *files)
        with transaction.staged(self.root, copied=copied, whole=self.makers) as folder:
            yield replace(self, root=folder, under=self.root)

    def settle(self) -> None:
        """For who reads without the lock: finish a change that a killed process had decided.

        Raises:
            LockedError: another process is changing the run just now.
        """
        if transaction.pending(self.root):
            with self.lock():
                pass

    def claim(self) -> None:
        """Make the directory a run: a new one, an empty one, or one that is a run already.

        Raises:
            UsageError: it holds files and was not begun by segpipe, whose stages would replace them; or its path is not
                UTF-8.
        """
        claim(self.root, RUN, earlier=self._begun_before_markers)

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
                if entry.name != KEY:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            yield partial

    @contextmanager
    def resuming(self, artefact: str) -> Iterator[Path]:
        """Like `writing`, but what an interrupted attempt with the same key left is still there."""
        partial, final, old = (self.root / f"{artefact}{suffix}" for suffix in (".partial", "", ".old"))
        partial.mkdir(parents=True, exist_ok=True)
        (partial / checksums.NAME).unlink(missing_ok=True)  # of an attempt that was killed at its end
        yield partial
        declared = self.artefacts[artefact]
        unfinished = [f"{declared.progress}/*"] if declared.progress else []
        checksums.write_sums(partial, without=(KEY, *unfinished, *declared.unlisted), known=self.known)
        if declared.maker in self.manifest().stages:
            self.record(declared.maker, None)  # not before: until here the old artefact stands
        if final.exists():
            if old.exists():
                shutil.rmtree(old)
            final.rename(old)
        partial.rename(final)  # with its key: without it the work of a process killed before `record` was lost
        files.sync(self.root)
        shutil.rmtree(old, ignore_errors=True)

    def prepare(self, artefact: str, key: str) -> bool:
        """Make the next attempt at an artefact belong to `key`: leftovers of any other key are deleted.

        Returns:
            Whether an earlier attempt with this key has left something to go on from.
        """
        partial = self.root / f"{artefact}.partial"
        if self.remote is not None:
            self.remote.drop_attempts(artefact, kept=key)
        self.take_back(artefact, key)
        if partial.exists() and not belongs(partial, key):
            drop_begun(partial)
        partial.mkdir(parents=True, exist_ok=True)
        begun = (partial / KEY).exists()
        if not begun:
            files.write_text(partial / KEY, key)
        return begun

    def take_back(self, artefact: str, key: str) -> None:
        """Let an artefact that is whole be one that is made: who made it was killed before it was recorded."""
        partial, final = self.root / f"{artefact}.partial", self.root / artefact
        if not partial.exists() and belongs(final, key):
            final.rename(partial)

    def clear_progress(self, artefact: str) -> None:
        """Delete from a finished artefact what its making could have gone on from."""
        final = self.root / artefact
        (final / KEY).unlink(missing_ok=True)  # first: what is half deleted is not gone on from
        if self.artefacts[artefact].progress:
            shutil.rmtree(final / self.artefacts[artefact].progress, ignore_errors=True)

    def drop_attempt(self, artefact: str, *, whole: bool) -> None:
        """Delete what an attempt that failed has left: all of it, or only where it had not written anything yet."""
        partial = self.root / f"{artefact}.partial"
        if whole and self.remote is not None:
            self.remote.drop_attempts(artefact)
        if partial.is_dir() and (whole or {entry.name for entry in partial.iterdir()} <= {KEY}):
            drop_begun(partial)

    def manifest(self) -> Manifest:
        """What is finished.

        Raises:
            UsageError: the file is damaged or of a later version.
            MachineError: it cannot be read.
        """
        path = self.root / "manifest.json"
        try:
            return Manifest.model_validate(_sealed(files.read_json(path)))
        except FileNotFoundError:
            return Manifest()
        except OSError as error:
            raise_shortage(path, error)
            raise UsageError(f"{path} cannot be read ({error.strerror}); choose another run directory") from error
        except (ValueError, RecursionError) as error:
            wrong = f"{error.error_count()} wrong fields" if isinstance(error, ValidationError) else str(error)
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
        values = _finite(new.model_dump(mode="json"))
        files.write_json(self.root / "manifest.json", {**values, "sha256": _seal(values)})
        for artefact in [name for name, maker in self.makers.items() if maker == stage and record is not None]:
            self.clear_progress(artefact)
        if self.remote is not None and self.under is None and record is not None:
            self.remote.publish()

    def _tidy(self) -> None:
        """Finish or take back what a process that was killed had begun, and delete its files that were not done."""
        transaction.recover(self.root)
        files.sweep(self.root)
        for stage, artefact in ((stage, artefact) for artefact, stage in self.makers.items()):
            if stage in self.manifest().stages:
                shutil.rmtree(self.root / f"{artefact}.old", ignore_errors=True)
                self.clear_progress(artefact)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; the system frees it even after `kill -9`.

        Raises:
            LockedError: another process holds it.
            MachineError: the directory cannot be written.
            UsageError: it is not a run.
        """
        there = nullcontext() if self.remote is None else self.remote.held()
        with locked(self.root, RUN, earlier=self._begun_before_markers), there:
            self._tidy()
            yield


def _seal(values: dict[str, Any]) -> str:
    as_read = json.loads(json.dumps(values))  # whose keys are all texts
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()


def _sealed(values: dict[str, Any]) -> dict[str, Any]:
    """A manifest as it was written; earlier versions wrote no checksum into it."""
    sha256 = values.pop("sha256", None)
    if sha256 is not None and sha256 != _seal(values):
        raise ValueError("its bytes changed")
    return values


def belongs(folder: Path, key: str) -> bool:
    """Whether what is being made of an artefact in a folder is of this key."""
    mark = folder / KEY
    return mark.exists() and mark.read_text("utf-8") == key


def drop_begun(folder: Path) -> None:
    """Delete what is being made of an artefact, where there is anything.

    Raises:
        OSError: it cannot be deleted; it is no beginning any more all the same.
    """
    (folder / KEY).unlink(missing_ok=True)  # first: half deleted it must not be taken for a beginning
    while folder.exists():
        with suppress(FileNotFoundError):  # who still writes in it has moved a file meanwhile
            shutil.rmtree(folder)


def _finite(value: Any) -> Any:
    """JSON values with null for what is no number."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
