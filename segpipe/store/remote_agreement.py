"""What all machines agree on that do parts of a stage of a run on an object store.

RUN/parts/<stage>/<key>/layout.tar     the artefact as it is laid out: of who was first, whom the store let write it
RUN/parts/<stage>/<key>/closed-1.tar   what closing round 1 left, for a stage in rounds: of who closed it first

Each is one object, so that it is there whole or not at all. Of two machines that write one at a time, the other takes
over what is there.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from segpipe.base import files, object_store
from segpipe.base.object_store import Outrun
from segpipe.base.remote_path import RemotePath
from segpipe.store.object_folders import files_below
from segpipe.store.run_dir import KEY, belongs, drop_begun

_LAYOUT, _NOTE = "layout.tar", ".agreed"
_CLOSED = re.compile(r"closed-(\d+)\.tar")

Contents = Mapping[str, bytes]
"""Files by their paths below the artefact."""


class RemoteAgreement:
    """The layout and the closed rounds of one stage at one key."""

    def __init__(self, place: RemotePath, folder: Path, out: Path, key: str) -> None:
        """Name them; nothing is read.

        Args:
            place: on the store.
            folder: of this machine, where it notes which layout it has.
            out: of this machine, the artefact while it is made.
            key: of the stage.
        """
        self._place, self._note, self._out, self._key = place, folder / _NOTE, out, key

    def made(self, lay_out: Callable[[Path], None]) -> Callable[[Path], None]:
        """A function that lays the artefact out as all machines do: by `lay_out`, if none was there before.

        What this machine has begun otherwise is deleted.
        """
        if self._out.is_dir() and not self._holds():
            drop_begun(self._out)

        def agree(own: Path) -> None:
            if self._take(own):
                return
            lay_out(own)
            try:
                etag = object_store.put(self._place / _LAYOUT, _packed(own, files_below(own)), new=True)
                files.write_text(self._note, etag)
            except Outrun:
                shutil.rmtree(own)
                own.mkdir()
                self._take(own)

        return agree

    def follow(self) -> bool:
        """Bring what this machine has begun to what is agreed on; False where nothing is, and its own work stays."""
        if not self._etag():
            return False
        if belongs(self._out, self._key) and self._holds():
            self.follow_rounds()
            return True
        drop_begun(self._out)
        self._out.mkdir(parents=True)
        if not self._take(self._out):
            self._out.rmdir()
            return False
        files.write_text(self._out / KEY, self._key)
        return True

    def follow_rounds(self) -> None:
        """Take over the rounds that were closed since this machine laid the artefact out."""
        for made in self._rounds().values():
            _write({name: content for name, content in made.items() if not self._same(name, content)}, self._out)

    def look(self, folder: Path) -> str:
        """Write what is agreed on into an empty folder; the layout's ETag, empty where nothing was begun."""
        try:
            content, found = object_store.read(self._place / _LAYOUT)
        except FileNotFoundError:
            return ""
        with _opened(content) as packed:
            packed.extractall(folder, filter="data")
        for made in self._rounds().values():
            _write(made, folder)
        return found.etag

    def close(self, number: int, names: Sequence[str]) -> None:
        """Give others what closing a round has left on this machine, or take over what it left on another."""
        try:
            object_store.put(self._place / f"closed-{number}.tar", _packed(self._out, names), new=True)
        except Outrun:
            self.follow_rounds()

    def closed(self) -> list[int]:
        """The rounds that were closed."""
        found = (_CLOSED.fullmatch(name) for name in object_store.names(self._place))
        return sorted(int(each[1]) for each in found if each)

    def _etag(self) -> str:
        try:
            return object_store.head(self._place / _LAYOUT).etag
        except FileNotFoundError:
            return ""

    def _holds(self) -> bool:
        """Whether this machine has the layout that is on the store, and no round that it closed otherwise."""
        if not self._note.exists() or files.read_text(self._note) != self._etag():
            return False
        rounds = self._rounds().values()
        return all(self._same(*each, lacking=True) for made in rounds for each in made.items())

    def _same(self, name: str, content: bytes, *, lacking: bool = False) -> bool:
        path = files.inside(self._out, name)
        return path.read_bytes() == content if path.exists() else lacking

    def _take(self, own: Path) -> bool:
        etag = self.look(own)
        if etag:
            files.write_text(self._note, etag)
        return bool(etag)

    def _rounds(self) -> dict[int, Contents]:
        return {
            number: _contents(object_store.read(self._place / f"closed-{number}.tar")[0]) for number in self.closed()
        }


def _opened(content: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(content))


def _packed(folder: Path, names: Iterable[str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as packed:
        for name in names:
            packed.add(folder / name, name)
    return made.getvalue()


def _contents(content: bytes) -> Contents:
    with _opened(content) as packed:
        found = ((each.name, packed.extractfile(each)) for each in packed.getmembers())
        return {name: file.read() for name, file in found if file is not None}


def _write(made: Contents, folder: Path) -> None:
    for name, content in made.items():
        files.write_bytes(files.inside(folder, name), content)
