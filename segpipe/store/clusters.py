"""Cluster models to npz files and back."""

from __future__ import annotations

import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.records.clusters import ClusterModel, ClusterTree

_TREE = tuple(field.name for field in fields(ClusterTree))


def save_clusters(model: ClusterModel, path: Path) -> None:
    """Write a model to the file `path` (.npz): all fields of it that are set."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "centers": model.centers,
        "inertia": np.array(model.inertia),
        "smooth": np.array(model.smooth),
    }
    if model.members is not None:
        arrays["members"] = model.members
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
            rest = {name: arrays[name] for name in ("members", "mean", "components") if name in arrays}
            return ClusterModel(arrays["centers"], float(arrays["inertia"]), smooth=float(arrays["smooth"]), **rest)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is missing or damaged ({error}); make it again with `segpipe cluster`") from error


def save_tree(tree: ClusterTree, path: Path) -> None:
    """Write a tree to the file `path` (.npz)."""
    with files.atomic(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.asarray(getattr(tree, name)) for name in _TREE})


def load_tree(path: Path) -> ClusterTree:
    """Read a tree.

    Raises:
        UsageError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return ClusterTree(
                centers=arrays["centers"],
                sizes=arrays["sizes"],
                merges=arrays["merges"],
                inertia=float(arrays["inertia"]),
                restarts=tuple(arrays["restarts"].tolist()),
                pool=arrays["pool"],
                leaning=arrays["leaning"],
                owners=arrays["owners"],
                patches=int(arrays["patches"]),
                of=int(arrays["of"]),
                origin=str(arrays["origin"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is missing or damaged ({error}); make it again with `segpipe cluster`") from error
