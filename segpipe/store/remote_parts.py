"""Parts of a stage of a run on an object store: each machine writes its own, who closes the stage fetches all.

RUN/<artefact>/<key>.partial/...         what parts wrote, as in the artefact
RUN/parts/<stage>/<key>/00003.json       the record of a part; written when its files are there
RUN/parts/<stage>/<key>-2/00003.json     the same of round 2, for a stage in rounds
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from segpipe.base import files, object_store
from segpipe.base.parallel import thread_map
from segpipe.base.remote_path import RemotePath
from segpipe.store.object_folders import pull_files, push_files
from segpipe.store.object_leases import ObjectLeases
from segpipe.store.part_folder import FOLDER, PartFolder, part_name
from segpipe.store.remote_agreement import RemoteAgreement
from segpipe.store.remote_run import RemoteRun
from segpipe.store.shared_work import Round

_SIDE_BY_SIDE = 8
_PULLED = ".pulled.json"
"""In a folder of records: the ETags of those that this machine has fetched."""


class RemoteParts:
    """The parts of one stage at one key, on the store and in the copy of the run; the records are those of a round."""

    def __init__(self, remote: RemoteRun, artefact: str, stage: str, key: str, now: Round | None = None) -> None:
        """Name them; nothing is read."""
        self._key, self.out = key, remote.copy / f"{artefact}.partial"
        self._files = remote.url / artefact / f"{key}.partial"
        self._home, self._copy = remote.url / FOLDER / stage, remote.copy / FOLDER / stage
        own = (now or Round()).key(key)
        self._records, self._folder = self._home / own, self._copy / own
        self.agreement = RemoteAgreement(self._home / key, self._copy / key, self.out, key)
        self._known = set[str]()
        """Records that the store has."""
        self._listed = dict[str, int]()
        """Sizes of the files there, as they were listed last."""

    def push(self, names: Iterable[str], records: Sequence[str]) -> None:
        """Write the files of units that are there, then records."""
        there = [name for name in names if (self.out / name).exists()]
        push_files(self.out, there, self._files)
        if self._listed:
            self._listed |= {name: (self.out / name).stat().st_size for name in there}
        push_files(self._folder, records, self._records)
        self._known |= set(records)

    def forget(self, record: str) -> None:
        """Delete a record."""
        object_store.delete(self._records, [record])
        self._known.discard(record)

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Sizes of those files that are on the store, which is listed once, and anew where one was not there yet."""
        if not self._listed or any(name not in self._listed for name in names):
            self._listed = {each.name: each.size for each in object_store.walk(self._files)}
        return {name: self._listed[name] for name in names if name in self._listed}

    def measure(self, names: Sequence[str]) -> tuple[int, int]:
        """Number and bytes of those files that are on the store."""
        sizes = self.sizes(names)
        return len(sizes), sum(sizes.values())

    def leases(self, *, seconds: float) -> ObjectLeases:
        """The leases of the parts, for this process."""
        return ObjectLeases(self._records, self._folder, seconds=seconds)

    def pull_records(self) -> None:
        """Bring the records of this machine to those of the store."""
        self._known = _pull_records(self._records, self._folder)

    def has(self, record: str) -> bool:
        """Whether the store has a record; it is fetched, where it was not there when all were."""
        if record not in self._known and _pull_record(self._records, record, self._folder):
            self._known.add(record)
        return record in self._known

    def pull_begun(self) -> bool:
        """Bring what all machines agree on, and the records of all rounds; False where no part was begun."""
        if not self.agreement.follow():
            return False
        for name in object_store.names(self._home):
            if name.partition("-")[0] == self._key:
                _pull_records(self._home / name, self._copy / name)
        return True

    def pull(self, names: Sequence[str] | None = None) -> None:
        """Bring files that parts have written, these or all, where this machine lacks them."""
        every = {each.name: each.size for each in object_store.walk(self._files)} if names is None else {}
        wanted = every if names is None else self.sizes([name for name in names if not (self.out / name).exists()])
        lacking = {name: size for name, size in wanted.items() if not _has(self.out / name, size)}
        pull_files(self._files, lacking, self.out)


class StoredPartFolder(PartFolder):
    """The parts of one stage at one key, as workers see them that share nothing but a store."""

    def __init__(self, remote: RemoteParts, root: Path, stage: str, key: str) -> None:
        """Name the folder of the copy, and the parts on the store."""
        super().__init__(root, stage, key)
        self._remote = remote

    def has(self, number: int) -> bool:
        """Whether a part has a record on the store: what this machine alone has is of a worker that was killed."""
        return self._remote.has(f"{part_name(number)}.json")


def forget_records(remote: RemoteRun) -> None:
    """Delete the records of all parts of a run; what they wrote stays, and what they agreed on."""
    place = remote.url / FOLDER
    object_store.delete(place, [each.name for each in object_store.walk(place) if _is_record(each.name)])


def _pull_records(place: RemotePath, folder: Path) -> set[str]:
    """Fetch the records of a place that this machine has not yet, or has otherwise; their names."""
    there = {each.name: each for each in object_store.walk(place) if _is_record(each.name)}
    for path in folder.glob("*.failed"):
        if path.name not in there:
            path.unlink(missing_ok=True)
    try:
        pulled = files.read_json(folder / _PULLED)
    except (OSError, ValueError):
        pulled = {}
    new = [name for name, each in there.items() if pulled.get(name) != each.etag or not (folder / name).exists()]
    came = list(thread_map(lambda name: _pull_record(place, name, folder), new, workers=_SIDE_BY_SIDE, ahead=32))
    gone = {name for name, found in zip(new, came, strict=True) if not found}  # since they were listed
    if new:
        files.write_json(folder / _PULLED, {name: each.etag for name, each in there.items()})
    return set(there) - gone


def _pull_record(place: RemotePath, name: str, folder: Path) -> bool:
    try:
        content, _ = object_store.read(place / name)
    except FileNotFoundError:
        return False
    files.write_bytes(folder / name, content)
    return True


def _is_record(name: str) -> bool:
    return name.endswith((".json", ".sums", ".failed")) and not name.startswith(".")


def _has(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size
