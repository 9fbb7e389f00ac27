"""zarr groups: opened and read with one line for what is missing or damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from segpipe.base import files
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.shown import quoted

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


_CODECS = {"sharding_indexed", "bytes", "crc32c", "blosc", "zstd"}
"""What our stores are written with. Others, of a store that somebody else has made, may inflate without end."""


def _check_codecs(path: Path) -> None:
    """Refuse arrays that are packed in another way."""
    for place in path.glob("*/zarr.json"):
        with reading(place.parent):
            codecs = list(files.read_json(place).get("codecs", ()))
            while codecs:
                codec = codecs.pop()
                if codec["name"] not in _CODECS:
                    raise ValueError(f"packed by {quoted(codec['name'])}")
                inside = codec.get("configuration", {})
                codecs += [*inside.get("codecs", ()), *inside.get("index_codecs", ())]


def open_group(path: Path, mode: Any) -> zarr.Group:
    """Open the group of a feature store.

    Raises:
        UsageError: there is none.
        MachineError: its bytes changed on disk.
    """
    with reading(path):
        try:
            _check_codecs(path)
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
