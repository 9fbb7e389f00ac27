"""zarr groups: opened and read with one line for what is missing or damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from segpipe.base.errors import MachineError, UsageError

_DAMAGE = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError)
"""What zarr and its codecs raise for files that are cut short or overwritten; a wrong checksum is a ValueError."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say in one line that a file of a feature store is damaged, whatever its reader says.

    Raises:
        MachineError: its bytes changed on disk.
    """
    try:
        yield
    except _DAMAGE as error:
        said = " ".join(str(error).split())
        raise MachineError(f"{path}: bytes changed on disk ({said}); delete features/ and extract again") from error


def open_group(path: Path, mode: Any) -> zarr.Group:
    """Open the group of a feature store.

    Raises:
        UsageError: there is none.
        MachineError: its bytes changed on disk.
    """
    with reading(path):
        try:
            return zarr.open_group(path, mode=mode)
        except FileNotFoundError as error:
            raise UsageError(f"{path} is not a feature store; make it with `segpipe extract`") from error


def read_array(group: zarr.Group, name: str, part: Any, path: Path) -> npt.NDArray[Any]:
    """Some of an array of the group at `path`.

    Raises:
        MachineError: its bytes changed on disk.
    """
    with reading(path / name):
        array: Any = group[name]
        return np.asarray(array[part])
