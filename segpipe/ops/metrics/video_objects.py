"""J, F and J&F of an object in a film: region similarity and boundary accuracy (Perazzi et al., CVPR 2016)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

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
    near = _disk(radius)
    precision = np.count_nonzero(edge_found & _dilated(edge_of_truth, near)) / n_found
    recall = np.count_nonzero(edge_of_truth & _dilated(edge_found, near)) / n_truth
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score_object(truths: Iterable[Mask], found: Iterable[Mask], *, bound: float = BOUND) -> ObjectScore:
    """Mean J and F of an object over frames.

    Every frame that is given counts. DAVIS's semi-supervised protocol, in which the first frame's mask is given,
    leaves out the first and the last frame: the caller does so.

    Args:
        truths: masks (height, width), one a frame.
        found: masks of the same sizes, as many.
        bound: as of `boundary_f`.

    Raises:
        ValueError: two masks differ in size, or there are more of one than of the other.
    """
    pairs = [
        (region_similarity(truth, mask), boundary_f(truth, mask, bound=bound))
        for truth, mask in zip(truths, found, strict=True)
    ]
    if not pairs:
        return ObjectScore(j=float("nan"), f=float("nan"), frames=0)
    j, f = np.mean(pairs, axis=0).tolist()
    return ObjectScore(j=j, f=f, frames=len(pairs))


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


def _disk(radius: int) -> npt.NDArray[np.uint8]:
    reach = np.arange(-radius, radius + 1) ** 2
    return (reach[:, None] + reach <= radius**2).astype(np.uint8)


def _dilated(edge: Mask, near: npt.NDArray[np.uint8]) -> Mask:
    return np.asarray(cv2.dilate(edge.view(np.uint8), near), np.uint8).view(np.bool_)
