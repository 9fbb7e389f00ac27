"""Leases on an object store: objects that one worker alone can make, and that it renews while it works.

They mean what files of `store.leases` mean; the store's conditional writes keep two workers apart, and its clock dates
them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from segpipe.base import files, object_store
from segpipe.base.errors import SegpipeError
from segpipe.base.object_store import Outrun, Stored
from segpipe.base.remote_path import RemotePath
from segpipe.store.leases import ENDING, Leases


class ObjectLeases(Leases):
    """The leases of a place on a store, for one worker."""

    def __init__(self, place: RemotePath, folder: Path, *, seconds: float, owner: str = "") -> None:
        """Open a place of leases.

        Args:
            place: on a store.
            folder: of this machine, made where it is missing; nothing is written there.
            seconds: without renewal after which a lease runs out.
            owner: what this worker is called, if not by machine and process.
        """
        super().__init__(folder, seconds=seconds, owner=owner)
        self._place, self._etags = place, dict[str, str]()

    def now(self) -> float:
        """Seconds by the store's clock."""
        probe = f".{uuid.uuid4().hex}.now"
        object_store.put(self._place / probe, b".")
        try:
            return object_store.head(self._place / probe).modified
        finally:
            object_store.delete(self._place, [probe])

    def take(self, name: str, *, seize: bool = False, now: Callable[[], float] | None = None) -> bool:
        """As of `Leases`."""
        lease = self._place / f"{name}{ENDING}"
        if seize:
            self._etags[name] = object_store.put(lease, self._said.encode())
            return True
        try:
            self._etags[name] = object_store.put(lease, self._said.encode(), new=True)
            return True
        except Outrun:
            return self._take_over(lease, name, now or self.now)

    def _take_over(self, lease: RemotePath, name: str, now: Callable[[], float]) -> bool:  # type: ignore[override]
        try:
            owner, found = self._read(lease)
            if owner != self.owner and now() - found.modified <= self.seconds:
                return False
            self._etags[name] = object_store.put(lease, self._said.encode(), instead_of=found.etag)
        except (Outrun, FileNotFoundError):  # another was faster, or it was given back a moment ago
            return False
        return True

    def renew(self, name: str) -> bool:
        """As of `Leases`; a store that does not answer is asked again the next time."""
        lease = self._place / f"{name}{ENDING}"
        try:
            self._etags[name] = object_store.put(lease, self._said.encode(), instead_of=self._etags.get(name, ""))
        except Outrun:
            return self._still(lease, name)
        except SegpipeError:
            return True
        return True

    def _still(self, lease: RemotePath, name: str) -> bool:
        """Whether a lease is this worker's: a renewal whose answer was lost was done all the same."""
        try:
            owner, found = self._read(lease)
        except (FileNotFoundError, SegpipeError):
            return False
        self._etags[name] = found.etag
        return owner == self.owner

    def give_back(self, name: str) -> None:
        """As of `Leases`."""
        if self._still(self._place / f"{name}{ENDING}", name):
            object_store.delete(self._place, [f"{name}{ENDING}"])

    def running(self) -> dict[str, str]:
        """As of `Leases`."""
        leases = [each for each in object_store.walk(self._place) if each.name.endswith(ENDING)]
        now, found = self.now() if leases else 0.0, dict[str, str]()
        for each in leases:
            if now - each.modified <= self.seconds:
                try:
                    found[each.name.removesuffix(ENDING)] = self._read(self._place / each.name)[0]
                except FileNotFoundError:
                    continue
        return found

    @staticmethod
    def _read(lease: RemotePath) -> tuple[str, Stored]:
        content, found = object_store.read(lease)
        try:
            said = files.parse_json(content)
        except ValueError:
            said = None
        return (str(said.get("owner", "")) if isinstance(said, dict) else ""), found
