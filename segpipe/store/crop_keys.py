"""What tells the crops of a feature store apart: `features/crops.npz`, a fingerprint of every row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.shortage import raise_shortage
from segpipe.store.array_files import load_arrays

CROP_KEYS = "crops.npz"
"""The file beside a store."""
Keys = npt.NDArray[np.uint8]
"""(crops, 16) fingerprints."""


def save_keys(keys: Keys, folder: Path) -> None:
    """Write the fingerprints beside a store."""
    with files.atomic(folder / CROP_KEYS) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, keys=keys)


def load_keys(folder: Path) -> Keys | None:
    """Those that lie beside a store; None where an earlier version wrote none, or they cannot be read."""
    try:
        keys = load_arrays(folder / CROP_KEYS)["keys"]
    except (OSError, ValueError, KeyError) as error:
        raise_shortage(folder / CROP_KEYS, error)
        return None
    return keys if keys.dtype == np.uint8 and keys.ndim == 2 else None
