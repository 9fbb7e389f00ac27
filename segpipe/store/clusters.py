"""Cluster models to npz files and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.records.clusters import ClusterModel, ClusterTree, Split
from segpipe.store.array_files import load_arrays
from segpipe.store.run_dir import RunDir

SPLITS = "splits.npz"
"""The file in a run that says which clusters were cut further. `segpipe name --split` writes it; no stage does."""
_KEYS = {"smoothed": "leaning", "groups": "owners"}
"""Fields of a tree whose key in the file is another word."""
_TREE = {field.name: _KEYS.get(field.name, field.name) for field in fields(ClusterTree)}


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
    arrays |= _pack(model.splits)
    with files.atomic(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_clusters(path: Path) -> ClusterModel:
    """Read a model.

    Raises:
        UsageError: the file is missing or damaged.
    """
    try:
        arrays = load_arrays(path)
        rest = {name: arrays[name] for name in ("members", "mean", "components") if name in arrays}
        smooth, splits = float(arrays["smooth"]), _unpack(arrays)
        return ClusterModel(arrays["centers"], float(arrays["inertia"]), smooth=smooth, splits=splits, **rest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path} is missing or damaged ({error}); make it again with `segpipe cluster`") from error


def open_clusters(run_dir: RunDir) -> ClusterModel:
    """The clusters of a run, those cut further that were split.

    Raises:
        UsageError: a file is missing or damaged.
    """
    model = load_clusters(run_dir.path("clusters") / "clusters.npz")
    return replace(model, splits=own_splits(run_dir))


def whole_clustering(run_dir: RunDir) -> str:
    """The fingerprint of the run's clusters as the stage made them; empty where its manifest does not say."""
    record = run_dir.manifest().stages.get("cluster")
    return record.artefact if record else ""


def own_splits(run_dir: RunDir) -> tuple[Split, ...]:
    """The splits of the clusters that the run has; none where the file refers to others, which are no longer there.

    Raises:
        UsageError: the file is damaged.
    """
    path = run_dir.root / SPLITS
    if not path.exists():
        return ()
    of, splits = load_splits(path)
    return splits if of == whole_clustering(run_dir) else ()


def save_splits(splits: Sequence[Split], path: Path, *, of: str) -> None:
    """Write splits to the file `path` (.npz), and of what clusters they are."""
    with files.atomic(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, of=np.array(of), **_pack(splits))


def load_splits(path: Path) -> tuple[str, tuple[Split, ...]]:
    """Of what clusters splits are, and the splits.

    Raises:
        UsageError: the file is missing or damaged.
    """
    try:
        arrays = load_arrays(path)
        return str(arrays["of"]), _unpack(arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path} is missing or damaged ({error}); delete it, and split again") from error


def _pack(splits: Sequence[Split]) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for i, split in enumerate(splits):
        arrays[f"split{i}"] = np.array([split.cluster, split.first], np.int64)
        arrays |= {f"split{i}_centers": split.centers, f"split{i}_members": split.members}
    return arrays


def _unpack(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[Split, ...]:
    found: list[Split] = []
    while f"split{len(found)}" in arrays:
        name = f"split{len(found)}"
        cluster, first = arrays[name].tolist()
        found.append(Split(cluster, first, arrays[f"{name}_centers"], arrays[f"{name}_members"]))
    return tuple(found)


def save_tree(tree: ClusterTree, path: Path) -> None:
    """Write a tree to the file `path` (.npz)."""
    with files.atomic(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **{key: np.asarray(getattr(tree, name)) for name, key in _TREE.items()})


def load_tree(path: Path) -> ClusterTree:
    """Read a tree.

    Raises:
        UsageError: the file is missing or damaged.
    """
    try:
        arrays = load_arrays(path)
        none = np.empty(0, np.int64)  # trees of earlier versions have no pairs to compare by
        return ClusterTree(
            centers=arrays["centers"],
            sizes=arrays["sizes"],
            merges=arrays["merges"],
            inertia=float(arrays["inertia"]),
            restarts=tuple(arrays["restarts"].tolist()),
            pool=arrays["pool"],
            smoothed=arrays["leaning"],
            groups=arrays["owners"],
            queries=arrays.get("queries", none),
            partners=arrays.get("partners", none),
            patches=int(arrays["patches"]),
            of=int(arrays["of"]),
            origin=str(arrays["origin"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path} is missing or damaged ({error}); make it again with `segpipe cluster`") from error
