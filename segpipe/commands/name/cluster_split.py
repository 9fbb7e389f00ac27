"""Cluster splits: one cluster of a run cut into parts, or joined again."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.ops.clustering.kmeans import spherical_kmeans
from segpipe.ops.clustering.linkage import branch
from segpipe.ops.gallery import assign_parts
from segpipe.records.class_names import Color, Entry, Naming, fold
from segpipe.records.clusters import ClusterModel, ClusterTree, Split

By = Literal["auto", "tree", "kmeans"]

LEAST = 0.05
"""Share of the cluster's patches that every part has, or `auto` does not cut along the tree."""
_RESTARTS, _ITERATIONS = 5, 30

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClusterCut:
    """A cluster cut into parts."""

    split: Split
    by: Literal["tree", "kmeans"]
    shares: tuple[float, ...]
    """Of the patches, by part, the largest first."""
    patches: int
    """Patches that decided: all of the cluster along the tree, those in the pool by k-means."""


def cut_cluster(
    model: ClusterModel,
    tree: ClusterTree,
    cluster: int,
    parts: int,
    *,
    by: By = "auto",
    seed: int = 0,
    workers: int = 1,
) -> ClusterCut:
    """ClusterCut a cluster into parts.

    Along the tree: where the cluster is a branch of the tree, the last merges of that branch are undone. By k-means:
    of the codes of its patches, those of the evenly drawn pool that is kept with the tree, as masks are made from
    them. `auto` takes the tree where it gives every part a share of at least `LEAST`; a tree may split off a tiny one.

    Args:
        model: the clusters there are, those that are split already too.
        tree: that they were made with.
        cluster: which to cut.
        parts: wanted, at least 2.
        by: which way.
        seed: of k-means.
        workers: threads.

    Raises:
        UsageError: the cluster is not made of so many kinds of patches, or no branch of the tree.
    """
    found = None
    if by != "kmeans":
        found = _along_tree(model, tree, cluster, parts)
        if found is None and by == "tree":
            raise UsageError(
                f"cluster {cluster} is no branch of at least {parts} small clusters of the tree; leave out "
                f"{named('by', 'tree')}"
            )
    if found is not None and (by == "tree" or min(found.shares) >= LEAST):
        return found
    return _by_kmeans(model, tree, cluster, parts, seed=seed, workers=workers)


def _along_tree(model: ClusterModel, tree: ClusterTree, cluster: int, parts: int) -> ClusterCut | None:
    centers, members = model.flat
    if not np.array_equal(centers, tree.centers):
        return None
    leaves = np.flatnonzero(members == cluster)
    if len(leaves) < parts:
        return None
    groups = branch(tree.merges, leaves, parts)
    return _cut(model, cluster, centers[leaves], groups, tree.sizes[leaves], "tree")


def _by_kmeans(
    model: ClusterModel, tree: ClusterTree, cluster: int, parts: int, *, seed: int, workers: int
) -> ClusterCut:
    codes = model.project(tree.smoothed.astype(np.float32))
    own = codes[assign_parts(codes, model)[0] == cluster]
    if len(own) < parts:
        raise UsageError(
            f"cluster {cluster} has {len(own)} of the {len(codes)} patches that are kept, too few for {parts} parts"
        )
    found = spherical_kmeans(own, k=parts, restarts=_RESTARTS, iterations=_ITERATIONS, seed=seed, workers=workers)
    if len(found.centers) < parts:
        kinds = f"{len(found.centers)} kind{'s' if len(found.centers) > 1 else ''}"
        raise UsageError(f"cluster {cluster} holds only {kinds} of patches, so it cannot be cut into {parts}")
    return _cut(model, cluster, found.centers, np.arange(parts), found.sizes, "kmeans")


def _cut(
    model: ClusterModel,
    cluster: int,
    centers: npt.NDArray[np.float32],
    groups: Int64,
    sizes: Int64,
    by: Literal["tree", "kmeans"],
) -> ClusterCut:
    """Number the parts by size, the largest first."""
    patches = np.bincount(groups, weights=sizes).astype(np.int64)
    order = np.argsort(-patches, kind="stable")
    members = np.argsort(order)[groups]
    shares = tuple((patches[order] / max(1, patches.sum())).tolist())
    return ClusterCut(Split(cluster, model.clusters, centers, members), by, shares, int(patches.sum()))


def parts_of(splits: Sequence[Split], cluster: int) -> tuple[int, ...]:
    """The numbers of all that a cluster was cut into, itself first; itself alone where it was not split."""
    found = [cluster]
    for split in splits:
        if split.cluster in found:
            found += split.numbers[1:].tolist()
    return tuple(found)


def join_parts(splits: Sequence[Split], cluster: int) -> tuple[tuple[Split, ...], dict[int, int]]:
    """The splits without those of a cluster and of its parts, and by what number all clusters go then.

    Args:
        splits: in their order, at least one.
        cluster: which shall be whole again; its parts go by its number.

    Returns:
        The splits, and a mapping of every number to its new one.
    """
    count = splits[0].first
    joined = parts_of(splits, cluster)
    numbers, kept = {k: k for k in range(count)}, list[Split]()
    for split in splits:
        if split.cluster in joined:
            numbers |= dict.fromkeys(split.numbers[1:].tolist(), numbers[cluster])
            continue
        numbers |= {int(k): count + i for i, k in enumerate(split.numbers[1:])}
        kept.append(replace(split, cluster=numbers[split.cluster], first=count))
        count += split.parts - 1
    return tuple(kept), numbers


def split_entries(naming: Naming, split: Split, colors: Sequence[Color]) -> tuple[dict[int, Entry], list[int]]:
    """What is said of the clusters once one is split: `coral` becomes `coral 1`, `coral 2` and so on.

    Parts stand by themselves: none is merged into what the cluster was merged into. What was to join the cluster by
    its name joins its largest part.

    Args:
        naming: what is said of the clusters before.
        split: of one of them.
        colors: for the parts that get new numbers.

    Returns:
        The entries, and the clusters whose merge_into was changed from the name to the number.
    """
    old = naming.entries[split.cluster]
    entries = dict(naming.entries)
    names = _part_names(old.name, {fold(entry.name) for entry in entries.values()}, split.parts)
    for number, name, color in zip(split.numbers.tolist(), names, (old.color, *colors), strict=False):
        entries[number] = replace(old, name=name, color=color, merge_into=None)
    lost = [k for k, entry in entries.items() if isinstance(entry.merge_into, str) and entry.merge_into == old.name]
    if any(entry.name == old.name for entry in entries.values()):
        lost = []  # another cluster has the name too
    entries |= {k: replace(entries[k], merge_into=split.cluster) for k in lost}
    return entries, lost


def _part_names(name: str, taken: Collection[str], parts: int) -> list[str]:
    if not name:
        return [""] * parts
    free = (f"{name} {i}" for i in itertools.count(1))
    return list(itertools.islice((own for own in free if fold(own) not in taken), parts))


def join_entries(naming: Naming, cluster: int, parts: Sequence[int], numbers: Mapping[int, int]) -> dict[int, Entry]:
    """What is said of the clusters once the parts of one are joined: `coral 1` and `coral 2` become `coral`.

    Args:
        naming: what is said of the clusters before.
        cluster: which is whole again.
        parts: its numbers, itself first.
        numbers: by what number each cluster goes now.
    """
    names = [naming.entries[k].name for k in parts]
    stem = re.sub(r" \d+$", "", names[0])
    common = stem if all(re.fullmatch(rf"{re.escape(stem)} \d+", name) for name in names) else names[0]
    entries = {}
    for k, entry in sorted(naming.entries.items()):
        if k in parts and k != cluster:
            continue
        into = entry.merge_into
        if isinstance(into, str) and into in names:
            into = cluster
        into = numbers.get(into) if isinstance(into, int) else into
        name = common if k == cluster else entry.name
        entries[numbers[k]] = replace(entry, name=name, merge_into=None if into == numbers[k] else into)
    return entries
