"""Fingerprints of what was made, row by row: crops in `features/crops.npz`, masks in `masks/images.npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.shortage import raise_shortage
from segpipe.store.array_files import load_arrays

CROP_KEYS = "crops.npz"
"""The file beside a feature store."""
MASK_KEYS = "images.npz"
"""The file beside masks."""
Keys = npt.NDArray[np.uint8]
"""(n, 16) fingerprints."""


def save_keys(keys: Keys, path: Path) -> None:
    """Write fingerprints to the file `path` (.npz)."""
    with files.atomic(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, keys=keys)


def load_keys(path: Path) -> Keys | None:
    """Read fingerprints; None where an earlier version wrote none, or they are damaged."""
    try:
        keys = load_arrays(path)["keys"]
    except (OSError, ValueError, KeyError) as error:
        raise_shortage(path, error)
        return None
    return keys if keys.dtype == np.uint8 and keys.ndim == 2 else None
