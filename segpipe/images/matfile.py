"""MATLAB 5 files that hold one array: the form in which IIC's preparation leaves the tiles of the Potsdam set."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

IMAGE, LABELS = "img", "gt"
"""Names of the variables: (H, W, 3 or more) uint8 with red, green, blue first, and (H, W) uint8."""

_DAMAGE = (MatReadError, NotImplementedError, TypeError, KeyError, zlib.error)


def find_shape(file: Any, variable: str) -> tuple[int, ...]:
    """The shape of a variable of an open file, from its header alone.

    Raises:
        ValueError: the file is damaged, has no such variable, or it is not of type uint8.
    """
    try:
        found = {name: (shape, kind) for name, shape, kind in whosmat(file)}
    except _DAMAGE as error:
        raise ValueError(f"damaged MATLAB file: {error}") from error
    if variable not in found:
        raise ValueError(f"MATLAB file without a variable {variable!r}; it holds {', '.join(found) or 'nothing'}")
    shape, kind = found[variable]
    if kind != "uint8":
        raise ValueError(f"MATLAB file whose {variable!r} is of type {kind}, not uint8")
    return tuple(shape)


def read_variable(file: Any, variable: str) -> npt.NDArray[np.uint8]:
    """Read a variable of an open file as it is stored.

    Raises:
        ValueError: as `find_shape`.
    """
    find_shape(file, variable)
    try:
        array: Any = loadmat(file, variable_names=[variable])[variable]
    except _DAMAGE as error:
        raise ValueError(f"damaged MATLAB file: {error}") from error
    return np.asarray(array, np.uint8)
