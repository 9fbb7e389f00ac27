"""Model selection: tree or k-means, by the neighbor agreement of their classes and how evenly these share the patches.

Patches that look similar in different images should come to one class, without nearly all coming to the same one.
No label takes part.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from segpipe.ops.clustering.kmeans import assign, spherical_kmeans
from segpipe.ops.clustering.knn import one_thread
from segpipe.ops.clustering.linkage import cut
from segpipe.ops.clustering.neighbor_agreement import weighted_agreement
from segpipe.records.clusters import ClusterModel, ClusterTree

MARGIN = 0.01
"""How much higher k-means must score to be kept: what two seeds differ by."""
_N_INIT = 5  # of plain k-means, at least

Int64 = npt.NDArray[np.int64]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SelectionConfig:
    """How classes may be made; the fields are those of the settings of `cluster`."""

    method: Literal["auto", "tree", "kmeans"]
    smooth: float
    n_init: int
    max_iter: int
    seed: int


def choose(
    tree: ClusterTree, k: int, config: SelectionConfig, *, workers: int
) -> tuple[str, dict[str, float], ClusterModel, Int64]:
    """The way to k clusters, the score of each way (none: no choice), the clusters, their sizes."""
    made: dict[str, tuple[ClusterModel, Int64]] = {}
    if config.method != "kmeans":
        made["tree"] = cut_tree(tree, k, share=config.smooth)
    if config.method != "tree":
        made["kmeans"] = plain_kmeans(tree, k, config, workers=workers)
    marks = compare(tree, {name: model for name, (model, _) in made.items()}) if len(made) > 1 else {}
    better = bool(marks) and marks["kmeans"] > marks["tree"] + MARGIN
    chosen = "kmeans" if better or "tree" not in made else "tree"
    if marks:
        told = ", ".join(f"{name} {mark:.3f}" for name, mark in marks.items())
        log.info("neighbor agreement of the classes, weighted by entropy: %s; kept: %s", told, chosen)
    return chosen, marks, *made[chosen]


def cut_tree(tree: ClusterTree, k: int, *, share: float) -> tuple[ClusterModel, Int64]:
    """The clusters of a tree cut at k, the largest first, and their sizes."""
    members = cut(tree.merges, k)
    sizes = np.bincount(members, weights=tree.sizes).astype(np.int64)
    order = np.argsort(-sizes, kind="stable")
    place = np.argsort(order)
    return ClusterModel(tree.centers, tree.inertia, members=place[members], smooth=share), sizes[order]


def plain_kmeans(tree: ClusterTree, k: int, config: SelectionConfig, *, workers: int) -> tuple[ClusterModel, Int64]:
    """The clusters of k-means on the pool's codes as they are, the largest first, and their sizes.

    What these centers lose by not being found in smoothed codes is less than k-means loses where borders between
    large classes come to look like classes.
    """
    found = spherical_kmeans(
        tree.pool.astype(np.float32),
        k=k,
        restarts=max(config.n_init, _N_INIT),
        iterations=config.max_iter,
        seed=config.seed,
        workers=workers,
    )
    return ClusterModel(found.centers, found.inertia, smooth=config.smooth), found.sizes


def compare(tree: ClusterTree, models: dict[str, ClusterModel]) -> dict[str, float]:
    """How far two patches that look similar come to one cluster, weighted by entropy, by the name of the model.

    Each query patch is compared with the one of another image (crop, where there is one image) whose frozen features
    are most similar; classes are those that masks give, by codes smoothed by their neighbors.

    Args:
        tree: its pool, queries and partners are used.
        models: clusters of the pool's codes.

    Returns:
        For each model its `weighted_agreement`; empty where all patches are of one crop.
    """
    if not len(tree.queries):
        return {}
    ours, theirs = (tree.smoothed[rows].astype(np.float32) for rows in (tree.queries, tree.partners))
    with one_thread():
        return {name: _agreement(model, ours, theirs) for name, model in models.items()}


def _agreement(model: ClusterModel, ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> float:
    first, second = (assign(codes, model.centers)[0] for codes in (ours, theirs))
    if model.members is not None:
        first, second = model.members[first], model.members[second]
    return round(weighted_agreement(first, second), 6)
