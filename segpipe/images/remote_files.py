"""Files of a corpus that lies on an object store: fetched when they are wanted, kept as long as there is room.

All processes of a machine share one folder (SEGPIPE_CACHE, else a folder of the user's in the system's temporary one).
It never holds more than SEGPIPE_CACHE_GB gigabytes: room is made before a byte is fetched, by deleting what was not
used for longest. A file that is being read is kept by a lock, so that it cannot go while it is.

    objects/<digest of the URL>/      of one object
        .lock    held by its readers together, or by who fetches or deletes it alone
        .etag    the URL, and which bytes of it these are
        NAME     the object, and of a raster the notes and mask beside it
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from segpipe.base import files, object_store
from segpipe.base.cache_folder import cache_bytes, cache_folder
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.object_store import Stored
from segpipe.base.remote_path import RemotePath
from segpipe.images.nodata import MASK, NOTES

_log = logging.getLogger(__name__)

_RASTERS = (".tif", ".tiff")
_LARGE = 1 << 28  # bytes of which a person is told
_PATIENCE = 120.0  # seconds for others to end reading, where all room is theirs
_NOTED = 4096  # bytes that a copy takes beside its own
_LOCK, _ETAG, _PART, _GONE = ".lock", ".etag", ".part", ".gone."


@contextmanager
def local(path: Path, *, size: int | None = None, fresh: bool = False) -> Iterator[Path]:
    """Yield a file of this machine with the bytes of a corpus file: itself or, of an object, a copy that was fetched.

    Args:
        path: of the corpus.
        size: bytes that its store listed; None: not known.
        fresh: fetch it, although there is a copy: that one is of other bytes.

    Raises:
        CorpusError: an object has another size than was listed.
        FileNotFoundError: the object is gone.
        MachineError: it cannot be fetched, or the copies that others read leave no room.
        UsageError: it is larger than all room that there is.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    with FetchedFiles(cache_folder() / "objects", cache_bytes()).held(path, size=size, fresh=fresh) as file:
        yield file


def forget_others(root: RemotePath, etags: Mapping[str, str]) -> None:
    """Delete copies of objects below a folder that have other bytes than the store has now.

    Args:
        root: the folder.
        etags: of all objects in it, by name.
    """
    FetchedFiles(cache_folder() / "objects", cache_bytes()).forget(root, etags)


class FetchedFiles:
    """A folder of copies of objects, of bounded size."""

    def __init__(self, folder: Path, most: int) -> None:
        """Use a folder, which is made where it is missing, for at most so many bytes."""
        self.folder, self.most = folder, most
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def held(self, path: RemotePath, *, size: int | None = None, fresh: bool = False) -> Iterator[Path]:
        """As `local`."""
        home = self.folder / files.digest(str(path))
        file = home / path.name
        while True:
            with _locked(home, fcntl.LOCK_SH):
                if file.exists() and not fresh:
                    os.utime(home)
                    yield file
                    return
            with _locked(home, fcntl.LOCK_EX):
                if fresh or not file.exists():
                    self._fetch(path, file, size)
                    fresh = False

    def _fetch(self, path: RemotePath, file: Path, size: int | None) -> None:
        for left in file.parent.iterdir():
            if left.name != _LOCK:
                left.unlink()
        found = self._fetch_one(path, file.with_name(_PART), size)
        if path.suffix.lower() in _RASTERS:
            for ending in (MASK, NOTES):
                beside = file.with_name(path.name + ending)
                try:
                    self._fetch_one(path.with_name(beside.name), beside, None)
                except FileNotFoundError:
                    continue
        (file.parent / _ETAG).write_text(f"{path}\n{found.etag}", "utf-8", "surrogateescape")
        with _locked(self.folder, fcntl.LOCK_EX):  # who counts would find it under neither name
            file.with_name(_PART).replace(file)  # last: what is called so is whole, and all beside it is there

    def _fetch_one(self, path: RemotePath, file: Path, size: int | None) -> Stored:
        def begin(found: Stored) -> None:
            if size is not None:
                object_store.check_size(path, found.size, size)
            if found.size > _LARGE:
                _log.info("fetching %s (%.1f GB)", path, found.size / 1e9)
            self._make_room(path, file, found.size)

        try:
            with file.open("wb") as handle:
                return object_store.fetch(path, handle, begin=begin)
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    def _make_room(self, path: RemotePath, file: Path, size: int) -> None:
        """Let a file have its whole size from the start, so that others count it."""
        if size > self.most:
            raise UsageError(
                f"{path}: {size / 1e9:.2f} GB are more than fetched images may take together ({self.most / 1e9:.2f} "
                "GB); allow more with SEGPIPE_CACHE_GB"
            )
        end = time.monotonic() + _PATIENCE
        while True:
            with _locked(self.folder, fcntl.LOCK_EX):
                used = self._used() - file.stat().st_size  # of a try before
                os.truncate(file, 0)
                if used + size + _NOTED > self.most:
                    used = self._delete_oldest(max(0, self.most * 9 // 10 - size))
                if used + size + _NOTED <= self.most:
                    os.truncate(file, size)
                    self._note(used + size + _NOTED)
                    return
                self._note(used)
            if time.monotonic() > end:
                raise MachineError(
                    f"{path}: images that are being read take all of the {self.most / 1e9:.2f} GB for fetched ones; "
                    "allow more with SEGPIPE_CACHE_GB, or fewer runtime.workers"
                )
            time.sleep(0.05)

    def _used(self) -> int:
        """Bytes of all copies, as noted; counted where nobody noted them."""
        try:
            return int((self.folder / ".used").read_text())
        except (OSError, ValueError):
            return sum(_size(home) for home in self._homes())

    def _note(self, used: int) -> None:
        (self.folder / ".used").write_text(str(used))

    def _homes(self) -> list[Path]:
        return [entry for entry in self.folder.iterdir() if entry.is_dir() and not entry.name.startswith(_GONE)]

    def _delete_oldest(self, most: int) -> int:
        """Delete what was not used for longest and nobody reads, until no more than `most` bytes are left, if possible.

        Returns:
            The bytes that are left. They are counted: what is noted is too much where processes were killed.
        """
        for left in self.folder.glob(f"{_GONE}*"):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        homes = [(home.stat().st_mtime, _size(home), home) for home in self._homes()]
        used = sum(size for _, size, _ in homes)
        for _, size, home in sorted(homes):
            if used <= most:
                break
            if _delete(home):
                used -= size
        return used

    def forget(self, root: RemotePath, etags: Mapping[str, str]) -> None:
        """As `forget_others`."""
        start = f"{root}/"
        with _locked(self.folder, fcntl.LOCK_EX):
            for home in self._homes():
                try:
                    url, etag = (home / _ETAG).read_text("utf-8", "surrogateescape").split("\n")
                except (OSError, ValueError):
                    continue
                if url.startswith(start) and etags.get(url.removeprefix(start)) != etag:
                    _delete(home)
            (self.folder / ".used").unlink(missing_ok=True)


def _size(home: Path) -> int:
    total = 0
    for entry in home.iterdir() if home.is_dir() else ():
        try:
            total += entry.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _delete(home: Path) -> bool:
    """Delete the copy of an object, unless somebody reads or fetches it."""
    try:
        with _locked(home, fcntl.LOCK_EX | fcntl.LOCK_NB):
            gone = home.with_name(f"{_GONE}{uuid.uuid4().hex}")  # who wants it meanwhile makes another one
            home.rename(gone)
            shutil.rmtree(gone)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked(home: Path, how: int) -> Iterator[None]:
    """Hold the lock of a folder, which is made; of one that was deleted meanwhile the lock is another file's."""
    while True:
        home.mkdir(exist_ok=True)
        try:
            handle = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, how)
            try:
                same = os.fstat(handle).st_ino == (home / _LOCK).stat().st_ino
            except FileNotFoundError:
                same = False
            if not same:
                continue
            try:
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)
            return
        finally:
            os.close(handle)
