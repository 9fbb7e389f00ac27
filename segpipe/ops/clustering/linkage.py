"""Linkage: many small clusters merged to few classes, a tree by average linkage.

k-means splits what is large and has no room left for what is small. Many small clusters, merged by how similar their
members are, follow the sizes that things have.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.ops.clustering.streaming_kmeans import ClusterCounts

Float32 = npt.NDArray[np.float32]
MERGE_COSINE = 0.1
"""Mean cosine between the members of two clusters from which they count as one thing, for whitened codes.

On four labelled sets where people named 23, 11, 10 and 11 classes the tree cut here has 17, 12, 13, 14 with ViT-Ti, 17,
10, 12, 15 with a second network, 12, 9, 13, 6 with classical features. Largest gap of heights, and agreement of
trees grown on halves of a corpus, came less near; so did codes that are not whitened, which differ by the network.
"""

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def average_linkage(means: npt.NDArray[np.floating], sizes: npt.NDArray[np.integer]) -> Float64:
    """Merge clusters, the most similar first, until one is left (UPGMA, Sokal and Michener, 1958, over the members).

    The similarity of two clusters is the mean cosine over all pairs of a member here and one there. For unit vectors
    that is the product of the two clusters' mean vectors, so the members themselves are not needed.

    Args:
        means: (F, d) mean of each cluster's unit vectors, not brought to unit length.
        sizes: (F,) members, at least 1 each.

    Returns:
        (F - 1, 4) merges as SciPy writes them: the two clusters (F + i is what merge i made), the height 1 - mean
        cosine, rising, and how many of the F clusters are in it.

    Raises:
        ValueError: a cluster is empty.
    """
    if (np.asarray(sizes) < 1).any():
        raise ValueError("an empty cluster cannot be merged")
    count = len(means)
    center, members = np.array(means, np.float64), np.array(sizes, np.float64)
    names, leaves = np.arange(count), np.ones(count)
    cosines = np.einsum("id,jd->ij", center, center)  # no BLAS: its sums depend on threads
    np.fill_diagonal(cosines, -np.inf)
    merges = np.empty((max(0, count - 1), 4))
    height = 0.0
    for step in range(count - 1):
        first, second = sorted(divmod(int(cosines.argmax()), count))
        # in exact numbers heights never fall; rounding may let them
        height = max(height, 1 - float(cosines[first, second]))
        leaves[first] += leaves[second]
        merges[step] = (*sorted((names[first], names[second])), height, leaves[first])
        join(cosines, members, first, second)
        names[first] = count + step
    return merges


def join(cosines: Float64, sizes: npt.NDArray[np.number], first: int, second: int) -> None:
    """Make two clusters one, in place: `first` becomes both, `second` is left without a cosine to any.

    Args:
        cosines: (F, F) mean cosines between members, -inf where two may not merge.
        sizes: (F,) members.
        first: one cluster.
        second: the other.
    """
    row = (sizes[first] * cosines[first] + sizes[second] * cosines[second]) / (sizes[first] + sizes[second])
    row[[first, second]] = -np.inf
    cosines[first], cosines[:, first] = row, row
    cosines[second], cosines[:, second] = -np.inf, -np.inf
    sizes[first] += sizes[second]


def merge(centers: Float32, members: ClusterCounts) -> tuple[Float32, Int64, Float64]:
    """The tree of small clusters.

    Args:
        centers: (clusters, d) unit rows.
        members: of each.

    Returns:
        The centers (F, d) that have members, their sizes (F,), and the merges (F - 1, 4); the first center where none
        has any, as in a corpus of one color.
    """
    occupied = members.sizes > 0
    if not occupied.any():
        return centers[:1], np.ones(1, np.int64), np.empty((0, 4))
    sizes = members.sizes[occupied]
    return centers[occupied], sizes, average_linkage(members.means[occupied], sizes)


def count_classes(merges: Float64, *, cosine: float = MERGE_COSINE) -> int:
    """How many classes are left when clusters are merged as long as their members' mean cosine is at least `cosine`."""
    return len(merges) + 1 - int((1 - merges[:, 2] >= cosine).sum())


def cut(merges: Float64, k: int) -> Int64:
    """The class of every cluster when the tree is cut at k classes.

    Args:
        merges: (F - 1, 4) of `average_linkage`.
        k: classes wanted, at least 1; with k of F or more every cluster is a class of its own.

    Returns:
        (F,) classes 0 to min(k, F) - 1, the class of cluster 0 first; two cuts of one tree are nested.
    """
    count = len(merges) + 1
    member = np.arange(count + len(merges))
    for step in range(count - k):
        member[merges[step, :2].astype(int)] = count + step
    for name in range(len(member) - 1, -1, -1):  # what a cluster was merged into comes after it
        member[name] = member[member[name]]
    _, first, classes = np.unique(member[:count], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[classes]


def branch(merges: Float64, leaves: Int64, parts: int) -> Int64:
    """The part of each of some clusters when the branch of the tree that holds just them is cut into so many.

    Args:
        merges: (F - 1, 4) of `average_linkage`.
        leaves: (n,) clusters that a cut of the tree leaves as one class.
        parts: wanted, at most n.

    Returns:
        (n,) parts 0 to `parts` - 1.
    """
    low, high = 1, len(merges) + 1  # cuts are nested: the finer the cut of the tree, the more parts of the branch
    while low < high:
        middle = (low + high) // 2
        if len(np.unique(cut(merges, middle)[leaves])) >= parts:
            high = middle
        else:
            low = middle + 1
    return np.unique(cut(merges, low)[leaves], return_inverse=True)[1].astype(np.int64)
