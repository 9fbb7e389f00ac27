"""Unit files: arrays that units of a work leave until all are there, and what they agree on; gone when all is done.

NAME.partial/.units/layout.npz             what all units have to agree on
NAME.partial/.units/<kind>/000000012.npz   of unit 12
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import MachineError
from segpipe.base.shortage import raise_shortage
from segpipe.store.array_files import Arrays, load_arrays

FOLDER = ".units"


def unit_file(kind: str, unit: int) -> str:
    """The file of a unit, from the folder of the artefact.

    >>> unit_file("codes", 12)
    '.units/codes/000000012.npz'
    """
    return f"{FOLDER}/{kind}/{unit:09}.npz"


def shared_file(name: str) -> str:
    """A file that is of all units together.

    >>> shared_file("layout")
    '.units/layout.npz'
    """
    return f"{FOLDER}/{name}.npz"


def save_unit(path: Path, **arrays: npt.NDArray[Any]) -> None:
    """Write arrays to the file `path`, which appears whole."""
    with files.atomic(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_unit(path: Path, *names: str) -> Arrays:
    """The arrays of a file that was written by `save_unit`, or those of these names.

    Raises:
        MachineError: it is gone or damaged.
    """
    try:
        return load_arrays(path, *names)
    except (OSError, ValueError) as error:
        raise_shortage(path, error)
        raise MachineError(
            f"{path} is gone or damaged ({error}); delete it if it is there, then run the same command again"
        ) from error


def drop_units(out: Path) -> None:
    """Delete them, once what they were for is written."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)
