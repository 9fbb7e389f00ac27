"""J, F and J&F of an object in a film: region similarity and boundary accuracy (Perazzi et al., CVPR 2016)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
_SLACK = 1e-3  # pixels: distances are square roots of integers, in float32

BOUND = 0.008
"""How far apart two boundaries may lie and still agree: this share of the diagonal of the image, rounded up."""


@dataclass(frozen=True)
class ObjectScore:
    """Means over the frames of one object, 0 to 1; NaN where there was no frame."""

    j: float
    """Region similarity: intersection over union."""

    f: float
    """Boundary accuracy: harmonic mean of the precision and the recall of boundary pixels."""

    frames: int

    @property
    def jf(self) -> float:
        """Mean of J and F."""
        return (self.j + self.f) / 2


def region_similarity(truth: Mask, found: Mask) -> float:
    """J: intersection over union of two masks.

    Args:
        truth: (height, width).
        found: (height, width).

    Returns:
        0 to 1; 1 where both masks are empty.

    Raises:
        ValueError: the masks differ in size.
    """
    _same_size(truth, found)
    union = np.count_nonzero(truth | found)
    return np.count_nonzero(truth & found) / union if union else 1.0


def boundary_f(truth: Mask, found: Mask, *, bound: float = BOUND) -> float:
    """F: how well the boundaries of two masks agree.

    Args:
        truth: (height, width).
        found: (height, width).
        bound: how far apart boundaries may lie: pixels from 1 on, below it a share of the diagonal, rounded up.

    Returns:
        0 to 1; 1 where neither mask has a boundary, 0 where one of them has none.

    Raises:
        ValueError: the masks differ in size.
    """
    _same_size(truth, found)
    radius = int(bound if bound >= 1 else np.ceil(bound * np.hypot(*truth.shape)))
    edge_of_truth, edge_found = boundary(truth), boundary(found)
    n_truth, n_found = np.count_nonzero(edge_of_truth), np.count_nonzero(edge_found)
    if not n_truth or not n_found:
        return float(n_truth == n_found)
    inside = _around(edge_of_truth | edge_found)
    edge_of_truth, edge_found = edge_of_truth[inside], edge_found[inside]
    precision = np.count_nonzero(_distance(edge_of_truth)[edge_found] <= radius + _SLACK) / n_found
    recall = np.count_nonzero(_distance(edge_found)[edge_of_truth] <= radius + _SLACK) / n_truth
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def compare_masks(truth: Mask, found: Mask, *, bound: float = BOUND) -> tuple[float, float]:
    """J and F of two masks (height, width), see `region_similarity` and `boundary_f`.

    Raises:
        ValueError: the masks differ in size.
    """
    return region_similarity(truth, found), boundary_f(truth, found, bound=bound)


def score_object(pairs: Iterable[tuple[Mask, Mask]], *, bound: float = BOUND) -> ObjectScore:
    """Mean J and F of an object over frames, of which one is held at a time.

    Every frame that is given counts. DAVIS's semi-supervised protocol, in which the first frame's mask is given,
    leaves out the first and the last frame: the caller does so.

    Args:
        pairs: the true mask and the one that was found (height, width), of every frame.
        bound: as of `boundary_f`.

    Raises:
        ValueError: two masks differ in size.
    """
    return mean_score([compare_masks(truth, found, bound=bound) for truth, found in pairs])


def mean_score(scores: Sequence[tuple[float, float]]) -> ObjectScore:
    """The score of an object by its J and F in every frame.

    >>> mean_score([(0.5, 1.0), (1.0, 0.5)])
    ObjectScore(j=0.75, f=0.75, frames=2)
    """
    if not scores:
        return ObjectScore(j=float("nan"), f=float("nan"), frames=0)
    j, f = np.mean(scores, axis=0).tolist()
    return ObjectScore(j=j, f=f, frames=len(scores))


def boundary(mask: Mask) -> Mask:
    """Pixels of a mask (height, width) that differ from the one to the right, below, or right below."""
    edge = np.zeros(mask.shape, np.bool_)
    edge[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def _same_size(truth: Mask, found: Mask) -> None:
    if truth.shape != found.shape:
        raise ValueError(f"masks differ in size: {truth.shape} and {found.shape}")


def _around(edge: Mask) -> tuple[slice, slice]:
    """The smallest box that holds all boundary pixels."""
    rows, columns = np.flatnonzero(edge.any(axis=1)), np.flatnonzero(edge.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _distance(edge: Mask) -> npt.NDArray[np.float32]:
    """(height, width) pixels from each pixel to the next one of a boundary."""
    away = (~edge).view(np.uint8)
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
