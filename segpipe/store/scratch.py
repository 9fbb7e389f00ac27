"""Scratch file: vectors written once, read in blocks at every pass, gone when the process ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import MachineError

_BLOCK = 1 << 16  # vectors of a block: always as many, so that sums over blocks do not depend on how they were written


class Scratch:
    """Float16 vectors of one length in a file that has no name: however the process ends, its space is free again."""

    def __init__(self, folder: Path, dim: int) -> None:
        """Open an empty one.

        Args:
            folder: where there is room for 2 * dim bytes a vector.
            dim: numbers of a vector.
        """
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed by __exit__)
        self._folder, self._dim, self._count = folder, dim, 0

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, vectors: npt.NDArray[np.floating]) -> None:
        """Append vectors (m, dim), rounded to 16 bits.

        Raises:
            MachineError: the disk is full.
        """
        left = np.ascontiguousarray(vectors, np.float16).tobytes()
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise MachineError(f"{self._folder}: cannot keep codes there while clustering ({error})") from error
        self._count += len(vectors)

    def blocks(self) -> Iterator[Callable[[], npt.NDArray[np.float16]]]:
        """For each block of 65,536 vectors what reads it, (m, dim); several may be read at once."""
        for start in range(0, self._count, _BLOCK):
            yield lambda start=start: self._read(start, min(start + _BLOCK, self._count))  # type: ignore[misc]

    def _read(self, start: int, stop: int) -> npt.NDArray[np.float16]:
        row = 2 * self._dim
        raw = os.pread(self._file.fileno(), (stop - start) * row, start * row)
        return np.frombuffer(raw, np.float16).reshape(-1, self._dim)
