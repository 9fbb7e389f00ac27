"""Connected components that are found strip by strip: first labels, and which of them are the same (union-find).

`parent` (labels,) points every label to one that is not larger, a root to itself; so the smallest label of a component
is its root.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled

Int32 = npt.NDArray[np.int32]


def more_labels(parent: Int32, count: int) -> Int32:
    """`parent` for `count` labels, the new ones roots."""
    return np.concatenate([parent, np.arange(len(parent), count, dtype=np.int32)])


@compiled
def _root(parent: Int32, label: int) -> int:
    while parent[label] != label:
        parent[label] = parent[parent[label]]
        label = parent[label]
    return label


@compiled
def join(parent: Int32, one: npt.NDArray[np.integer], other: npt.NDArray[np.integer]) -> None:
    """Make one component of the labels `one[i]` and `other[i]`, for every i."""
    for i in range(len(one)):
        p, q = _root(parent, one[i]), _root(parent, other[i])
        parent[max(p, q)] = min(p, q)


@compiled
def join_rows(mask: npt.NDArray[Any], labels: Int32, parent: Int32) -> None:
    """Make one component of labels that meet above each other in a class; negative labels are none.

    Args:
        mask: (h, W) classes.
        labels: (h, W) of the pixels.
        parent: of the labels.
    """
    for r in range(1, mask.shape[0]):
        for c in range(mask.shape[1]):
            if labels[r, c] >= 0 and mask[r - 1, c] == mask[r, c] and labels[r, c] != labels[r - 1, c]:
                p, q = _root(parent, labels[r, c]), _root(parent, labels[r - 1, c])
                parent[max(p, q)] = min(p, q)


@compiled
def number_components(parent: Int32, numbers: Int32) -> int:
    """Number components from 0 by their smallest label; `numbers` (labels,) is filled. Returns how many there are."""
    count = 0
    for p in range(len(parent)):  # what a label points to is smaller, so it has its number already
        if parent[p] == p:
            numbers[p] = count
            count += 1
        else:
            numbers[p] = numbers[parent[p]]
    return count
