"""Two ways to k clusters, and which of them a corpus bears.

Patches that look alike in different images should come to one class. The clusters that do more of it are kept. No label
takes part.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.ops.clustering.kmeans import assign
from segpipe.ops.clustering.knn import one_thread
from segpipe.ops.clustering.neighbor_agreement import nearest_elsewhere, pair_agreement
from segpipe.ops.clustering.sampler import some
from segpipe.records.clusters import ClusterModel, ClusterTree

_ASKED, _AMONG = 8000, 40_000  # patches asked about, and patches among which each one's nearest is looked for


def compare(tree: ClusterTree, models: dict[str, ClusterModel], *, seed: int) -> dict[str, float]:
    """How far two patches that look alike come to one cluster, by the name of the model.

    Each patch asked about is held against the one of another image (crop, where there is one image) whose code as it
    is has the largest cosine; classes are those that masks give, by codes that lean on their neighbors.

    Args:
        tree: its pool is asked.
        models: clusters of the pool's codes.
        seed: of the patches asked, drawn from (seed, 5).

    Returns:
        For each model the adjusted Rand index between the two patches' clusters, 1 at most and 0 by chance; empty where
        all patches are of one crop.
    """
    rng = np.random.default_rng((seed, 5))
    among = some(len(tree.pool), _AMONG, rng)
    owners = tree.owners[among].astype(np.int64)
    if len(np.unique(owners)) < 2:
        return {}
    queries = some(len(among), _ASKED, rng)
    partners = nearest_elsewhere(tree.pool[among].astype(np.float32), queries, owners)
    codes = tree.smoothed[among].astype(np.float32)
    with one_thread():
        return {name: _agreement(model, codes[queries], codes[partners]) for name, model in models.items()}


def _agreement(model: ClusterModel, ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> float:
    first, second = (assign(codes, model.centers)[0] for codes in (ours, theirs))
    if model.members is not None:
        first, second = model.members[first], model.members[second]
    return round(pair_agreement(first, second), 6)
