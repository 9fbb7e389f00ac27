"""Cluster models to npz files and back."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.records.clusters import ClusterModel


def save_clusters(model: ClusterModel, path: Path) -> None:
    """Write a model to the file `path` (.npz): centers, inertia, and mean and components where it projects."""
    arrays: dict[str, npt.NDArray[Any]] = {"centers": model.centers, "inertia": np.array(model.inertia)}
    if model.mean is not None and model.components is not None:
        arrays |= {"mean": model.mean, "components": model.components}
    with files.atomic(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_clusters(path: Path) -> ClusterModel:
    """Read a model.

    Raises:
        UsageError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            projection = {name: arrays[name] for name in ("mean", "components") if name in arrays}
            return ClusterModel(arrays["centers"], float(arrays["inertia"]), **projection)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is missing or damaged ({error}); make it again with `segpipe cluster`") from error
