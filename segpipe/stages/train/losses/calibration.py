"""Calibration: shifts of STEGO's loss measured from the features of a corpus.

A shift says how strongly two features must correlate to pull their codes together. Published shifts were searched for
one backbone and one corpus; with others the same numbers may call everything similar, and the codes collapse. Quantiles
of the correlations that a corpus shows mean the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from segpipe.stages.train.losses.correspondence import LossCrops, feature_correlation, sample_groups

QUANTILES = {"self": 0.5, "neighbor": 0.6, "negative": 0.9}
"""By kind of pair: the share of pairs that is pushed apart. Two points of one crop are often the same thing, two points
of random crops seldom."""


@torch.no_grad()
def observed_shifts(
    batches: Iterable[tuple[LossCrops, LossCrops | None, torch.Generator]],
    quantiles: Mapping[str, float],
    *,
    samples: int,
    pointwise: bool,
) -> dict[str, float]:
    """Quantiles of the correlations of features, as the loss compares them but without dropout.

    Args:
        batches: anchors, a neighbor of each (None in a corpus without pairs) and what draws the points, on the CPU.
        quantiles: by kind of pair: self, neighbor, negative.
        samples: points per crop are samples x samples.
        pointwise: center the correlations spatially.

    Returns:
        A shift for every kind of `quantiles`; 0 for a kind of which there are no pairs.
    """
    seen: dict[str, list[torch.Tensor]] = {kind: [] for kind in quantiles}
    for anchors, neighbors, generator in batches:
        anchor, groups = sample_groups(anchors, neighbors, generator, samples=samples, negatives=1)
        for kind, others in groups.items():
            for other in others:
                found = feature_correlation(anchor.features, other.features, pointwise=pointwise)
                seen[kind].append(found.flatten().cpu())
    return {
        kind: float(np.quantile(torch.cat(parts).numpy(), quantiles[kind])) if parts else 0.0
        for kind, parts in seen.items()
    }
