"""Model selection: tree or k-means, by the neighbor agreement of their classes and how evenly these share the patches.

Patches that look similar in different images should come to one class, without nearly all coming to the same one.
No label takes part.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.ops.clustering.kmeans import assign
from segpipe.ops.clustering.knn import one_thread
from segpipe.ops.clustering.neighbor_agreement import weighted_agreement
from segpipe.records.clusters import ClusterModel, ClusterTree

MARGIN = 0.01
"""How much higher k-means must score to be kept: what two seeds differ by."""


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
