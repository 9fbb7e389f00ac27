"""Name proposals: from a few labelled pixels, and merges of the most similar clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.ops.clustering.linkage import average_linkage, cut
from segpipe.ops.metrics.majority import agreement
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.records.scores import Confusion

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the labelled pixels of a cluster say of it."""

    label: int | None
    """The label most of them have; None where there is too little evidence."""
    first: int | None
    """The label most of them have, however few; None without any."""
    pixels: int
    """Labelled pixels in the cluster."""
    images: int
    """Images that they lie in."""
    agreement: float
    """Share of them that have the most frequent label; 0 without any."""
    low: float
    """Lower end of the 95% interval of that share."""
    high: float
    second: int | None
    """The label that comes next, if there is one."""
    why: str
    """Why nothing is proposed, in words that fit a column; empty where something is."""


def propose(counts: Confusion, *, least: int, spread: int, share: float) -> list[Proposal]:
    """Name each cluster by the majority of its labelled pixels, where there is evidence enough.

    Args:
        counts: labelled pixels by image, label and cluster.
        least: labelled pixels that a cluster needs.
        spread: images that they must lie in: pixels of one image are similar anyway.
        share: of them must surely have the same label: the lower end of the 95% interval must reach it.

    Returns:
        One for each cluster.
    """
    table = counts.total()[:, : counts.clusters]
    found = []
    for k in range(counts.clusters):
        column = table[:, k]
        order = np.argsort(-column, kind="stable")
        said = agreement(counts, k, int(order[0]))
        pixels, images = said.pixels, said.images
        second = int(order[1]) if len(order) > 1 and column[order[1]] else None
        why = (
            "none labelled" if not pixels
            else f"only {pixels} labelled" if pixels < least
            else f"only {images} image" if images < spread
            else f"below {share:.0%}" if said.share < share
            else f"may be {said.low:.0%}" if said.low < share
            else ""
        )  # fmt: skip
        first = int(order[0]) if pixels else None
        ends = said.low, said.high
        found.append(Proposal(None if why else first, first, pixels, images, said.share, *ends, second, why))
    return found


def fits(counts: Confusion, named: Mapping[int, int]) -> float:
    """Share of all labelled pixels whose cluster has the name of their label; pixels in unnamed clusters do not fit.

    Args:
        counts: labelled pixels by image, label and cluster.
        named: cluster to label.
    """
    names = np.array([named.get(k, -1) for k in range(counts.clusters + 1)])
    return float(counts.count[names[counts.cluster] == counts.label].sum() / max(1, counts.pixels))


def suggest_merges(model: ClusterModel, tree: ClusterTree, pixels: Int64, *, classes: int) -> dict[int, int]:
    """Which clusters to join so that so many classes are left, by the tree that the clusters were cut from.

    Clusters that were not cut from the tree are joined the same way, by average linkage of their centers.

    Args:
        model: the clusters.
        tree: of small clusters.
        pixels: (clusters,) of each, which weigh centers where there is no tree.
        classes: wanted, at least 1.

    Returns:
        Cluster to the cluster that it joins, the first of those that come together.
    """
    clusters = model.clusters
    centers, members = model.flat
    if np.array_equal(centers, tree.centers):
        coarse = cut(tree.merges, classes)
        group = np.zeros(clusters, np.int64)
        group[members] = coarse  # cuts of one tree are nested: all members of a cluster come to one class
    else:
        means = np.stack([centers[members == k].mean(axis=0) for k in range(clusters)])
        group = cut(average_linkage(means, np.maximum(pixels, 1)), classes)
    first = {int(g): int(np.flatnonzero(group == g)[0]) for g in np.unique(group)}
    return {k: first[int(g)] for k, g in enumerate(group) if first[int(g)] != k}
