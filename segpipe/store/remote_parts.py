"""Parts of a stage of a run on an object store: each machine writes its own, who closes the stage fetches all.

RUN/<artefact>/<key>.partial/...         what parts wrote, as in the artefact
RUN/parts/<stage>/<key>/layout.tar       what all parts agree on: of who was first, whom the store let write it
RUN/parts/<stage>/<key>/00003.json       the record of a part; written when its files are there
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from segpipe.base import files, object_store
from segpipe.base.object_store import Outrun
from segpipe.store.object_folders import files_below, pull_files, push_files
from segpipe.store.object_leases import ObjectLeases
from segpipe.store.part_folder import FOLDER, PartFolder, part_name
from segpipe.store.remote_run import RemoteRun
from segpipe.store.run_dir import KEY, belongs

_LAYOUT, _AGREED = "layout.tar", ".agreed"


class RemoteParts:
    """The parts of one stage at one key, on the store and in the copy of the run."""

    def __init__(self, remote: RemoteRun, artefact: str, stage: str, key: str) -> None:
        """Name them; nothing is read."""
        self._key, self.out = key, remote.copy / f"{artefact}.partial"
        self._files = remote.url / artefact / f"{key}.partial"
        self._records, self._folder = remote.url / FOLDER / stage / key, remote.copy / FOLDER / stage / key

    def agreed(self, lay_out: Callable[[Path], None]) -> Callable[[Path], None]:
        """A function that lays the artefact out as all machines do: by `lay_out`, if none was there before.

        What this machine has begun otherwise is deleted.
        """
        if self.out.is_dir() and not self._is_agreed():
            _drop(self.out)

        def agree(own: Path) -> None:
            if self._unpack(own):
                return
            lay_out(own)
            try:
                etag = object_store.put(self._records / _LAYOUT, _packed(own), new=True)
                self._note(etag)
            except Outrun:
                shutil.rmtree(own)
                own.mkdir()
                self._unpack(own)

        return agree

    def _is_agreed(self) -> bool:
        note = self._folder / _AGREED
        try:
            return note.exists() and files.read_text(note) == object_store.head(self._records / _LAYOUT).etag
        except FileNotFoundError:
            return False

    def _note(self, etag: str) -> None:
        files.write_text(self._folder / _AGREED, etag)

    def _unpack(self, own: Path) -> bool:
        try:
            content, found = object_store.read(self._records / _LAYOUT)
        except FileNotFoundError:
            return False
        with tarfile.open(fileobj=io.BytesIO(content)) as packed:
            packed.extractall(own, filter="data")
        self._note(found.etag)
        return True

    def push(self, names: Iterable[str], records: Sequence[str]) -> None:
        """Write the files of units that are there, then records."""
        push_files(self.out, [name for name in names if (self.out / name).exists()], self._files)
        push_files(self._folder, records, self._records)

    def forget(self, record: str) -> None:
        """Delete a record."""
        object_store.delete(self._records, [record])

    def _sizes(self) -> dict[str, int]:
        return {each.name: each.size for each in object_store.walk(self._files)}

    def measure(self, names: Sequence[str]) -> tuple[int, int]:
        """Number and bytes of those files that are on the store."""
        there = self._sizes()
        sizes = [there[name] for name in names if name in there]
        return len(sizes), sum(sizes)

    def leases(self, *, seconds: float) -> ObjectLeases:
        """The leases of the parts, for this process."""
        return ObjectLeases(self._records, self._folder, seconds=seconds)

    def pull_records(self) -> None:
        """Bring the records of this machine to those of the store; what is of this machine alone stays."""
        there = {each.name: each.size for each in object_store.walk(self._records)}
        for path in self._folder.glob("*.failed"):
            if path.name not in there:
                path.unlink(missing_ok=True)
        pull_files(self._records, {name: size for name, size in there.items() if _is_record(name)}, self._folder)

    def pull_record(self, record: str) -> bool:
        """Bring one record to this machine; whether there is one."""
        try:
            content, _ = object_store.read(self._records / record)
        except FileNotFoundError:
            return False
        files.write_bytes(self._folder / record, content)
        return True

    def pull(self) -> None:
        """Bring what this machine has of the artefact to what parts have written; nothing where no part was begun."""
        if self.out.is_dir() and not self._is_agreed():
            try:
                object_store.head(self._records / _LAYOUT)
            except FileNotFoundError:
                return
            _drop(self.out)
        if not (belongs(self.out, self._key) and self._is_agreed()):
            _drop(self.out)
            self.out.mkdir(parents=True)
            if not self._unpack(self.out):
                self.out.rmdir()
                return
            files.write_text(self.out / KEY, self._key)
        self.pull_records()
        lacking = {name: size for name, size in self._sizes().items() if not _has(self.out / name, size)}
        pull_files(self._files, lacking, self.out)


class StoredPartFolder(PartFolder):
    """The parts of one stage at one key, as workers see them that share nothing but a store."""

    def __init__(self, remote: RemoteParts, root: Path, stage: str, key: str) -> None:
        """Name the folder of the copy, and the parts on the store."""
        super().__init__(root, stage, key)
        self._remote = remote

    def has(self, number: int) -> bool:
        """As of `PartFolder`."""
        return super().has(number) or self._remote.pull_record(f"{part_name(number)}.json")


def forget_records(remote: RemoteRun) -> None:
    """Delete the records of all parts of a run; what they wrote stays, and what they agreed on."""
    place = remote.url / FOLDER
    object_store.delete(place, [each.name for each in object_store.walk(place) if _is_record(each.name)])


def _is_record(name: str) -> bool:
    return name.endswith((".json", ".sums", ".failed")) and not name.startswith(".")


def _has(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


def _drop(folder: Path) -> None:
    (folder / KEY).unlink(missing_ok=True)  # first: half deleted it must not be taken for a beginning
    shutil.rmtree(folder, ignore_errors=True)


def _packed(folder: Path) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as packed:
        for name in files_below(folder):
            packed.add(folder / name, name)
    return made.getvalue()
