"""The k-means baseline: plain k-means of the frozen features, as many clusters as the run has classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.inference.patch_sampler import PatchSample
from segpipe.ops.clustering.kmeans import Moments, spherical_kmeans
from segpipe.records.clusters import ClusterModel

RESTARTS, ITERATIONS = 5, 50


def fit_baseline(sample: PatchSample, *, k: int, components: int, seed: int, runtime: Runtime) -> ClusterModel:
    """Cluster the features by cosine on their principal components, the tightest of five restarts.

    Args:
        sample: the patches.
        k: clusters.
        components: principal components; 0 = all.
        seed: of the restarts.
        runtime: workers.

    Raises:
        UsageError: some features are not finite.
    """
    dim = sample.store.header.dim
    moments = Moments(dim)
    for block in sample.blocks():
        moments.add(block.tokens[block.taken])
    if not moments.finite:
        raise UsageError(
            "features of some patches are not finite numbers; check extract.weights and run `segpipe extract` again"
        )
    mean, directions = moments.principal_components(components or dim)
    space = ClusterModel(np.eye(1, len(directions), dtype=np.float32), 0.0, mean=mean, components=directions)
    found = spherical_kmeans(
        sample.collect(lambda block: space.project(block.tokens[block.taken])),
        k=k,
        restarts=RESTARTS,
        iterations=ITERATIONS,
        seed=seed,
        workers=runtime.workers,
    )
    return replace(space, centers=found.centers, inertia=found.inertia)
