"""What a training learns from, whatever it is: found and fingerprinted at once, decoded when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain.method import Method
from segpipe.records.corpus import Rejected

RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Items that can be learned from."""

    count: int
    rejected: tuple[Rejected, ...]
    """What could not be used."""
    method: Callable[[int, int, str], Method]
    """From outputs of the head, steps and device to the method."""


class ItemSource(Protocol):
    """Images or a film."""

    key: str
    """Fingerprint of the files."""

    def bytes_needed(self) -> int:
        """Of disk that `prepare` takes, about."""
        ...

    def prepare(self, folder: Path, runtime: Runtime) -> Prepared:
        """Decode into a folder, or take up what lies there.

        Raises:
            CorpusError: nothing can be used.
            MachineError: there is no room.
        """
        ...

    def few(self, count: int) -> ItemSource:
        """A part of it, for a sheet of samples."""
        ...
