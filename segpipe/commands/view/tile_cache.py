"""Tile cache: encoded pictures in memory and on disk, both bounded, and larger things held in memory by their bytes."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
_STRIPES = 64


class BoundedMap(Generic[T]):
    """What was used last, up to a number of bytes; one thing that is larger is not kept."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._entries: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """What is kept, or None."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: T, size: int) -> bool:
        """Keep a thing of so many bytes; whether it is kept."""
        with self._lock:
            old = self._entries.pop(key, None)
            self._held -= old[1] if old else 0
            if size > self._most:
                return False
            self._entries[key] = value, size
            self._held += size
            while self._held > self._most:
                _, (_, gone) = self._entries.popitem(last=False)
                self._held -= gone
            return True

    @property
    def held(self) -> int:
        """Bytes."""
        return self._held


class Stripes:
    """Locks by key: of things made at the same time none is made twice."""

    def __init__(self) -> None:
        self._locks = [threading.RLock() for _ in range(_STRIPES)]

    def __call__(self, key: Hashable) -> threading.RLock:
        """The lock of a key; several keys may share it."""
        return self._locks[hash(key) % _STRIPES]


class TileCache:
    """Encoded pictures by key."""

    def __init__(self, folder: Path, *, memory: int, disk: int) -> None:
        """Keep at most so many bytes, in memory and in files of a folder that is ours alone and empty."""
        self._folder, self._most, self._held = folder, disk, 0
        self._memory = BoundedMap[bytes](memory)
        self._files: OrderedDict[str, int] = OrderedDict()
        self._lock, self._making = threading.Lock(), Stripes()

    def get_or_make(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The picture of a key; it is made where it is not kept, once although several threads ask."""
        found = self.get(key)
        if found is not None:
            return found
        with self._making(key):
            found = self.get(key)
            if found is None:
                found = make()
                self.put(key, found)
            return found

    def get(self, key: Hashable) -> bytes | None:
        """What is kept, or None."""
        found = self._memory.get(key)
        if found is not None:
            return found
        name = _name(key)
        with self._lock:
            if name not in self._files:
                return None
            self._files.move_to_end(name)
        try:
            found = (self._folder / name).read_bytes()
        except OSError:  # it was given up this moment, or a person cleared the folder
            return None
        self._memory.put(key, found, len(found))
        return found

    def put(self, key: Hashable, picture: bytes, *, often: bool = True) -> None:
        """Keep a picture, in memory too where it will be asked for soon; a full disk is no failure."""
        if often:
            self._memory.put(key, picture, len(picture))
        name = _name(key)
        path = self._folder / name
        try:
            path.parent.mkdir(exist_ok=True)
            beside = path.with_name(f"{path.name}.{threading.get_ident()}")
            beside.write_bytes(picture)
            beside.replace(path)
        except OSError:
            return
        with self._lock:
            self._held += len(picture) - self._files.pop(name, 0)
            self._files[name] = len(picture)
            gone = []
            while self._held > self._most and len(self._files) > 1:
                old, size = self._files.popitem(last=False)
                self._held -= size
                gone.append(old)
        for old in gone:
            (self._folder / old).unlink(missing_ok=True)

    @property
    def on_disk(self) -> int:
        """Bytes."""
        return self._held


def _name(key: Hashable) -> str:
    digest = hashlib.sha256(repr(key).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"{digest[:2]}/{digest[2:]}"
