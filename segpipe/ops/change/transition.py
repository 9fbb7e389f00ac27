"""From one class to another: which pixels changed, how many, and how sure that is."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Labels = npt.NDArray[np.integer]

_FAR = 16
"""Tolerances away from any border that explains it, a change is as good as certain."""


def count_transitions(first: Labels, second: Labels, classes: int) -> Int64:
    """Pixels by class at the first date (rows) and at the second (columns).

    Args:
        first: (h, w) classes below `classes`; pixels with other values take no part.
        second: (h, w)
        classes: how many there are.

    Returns:
        (classes, classes)
    """
    seen = (first < classes) & (second < classes)
    pairs = first[seen].astype(np.int64) * classes + second[seen]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def margin_of(tolerance: float) -> int:
    """Pixels around a window that `change_certainty` must see so that windows fit together."""
    return int(np.ceil(_FAR * tolerance))


def change_certainty(first: Labels, second: Labels, classes: int, *, tolerance: float) -> npt.NDArray[np.uint8]:
    """How sure it is that each pixel changed: what borders that lie wrong by a little could explain is not.

    A border that lies d pixels off turns pixels from class f into class t that have t within d at the first date and f
    within d at the second. With d the larger of the two distances the certainty is d / (d + tolerance): a half where
    the tolerance explains the change just so. Slivers and specks, nowhere wider than two tolerances, may come and go
    with the borders around them: their certainty is a half at most.

    Args:
        first: (h, w) classes below `classes`; other values: none.
        second: (h, w)
        classes: how many there are.
        tolerance: pixels by which borders may lie wrong, above 0.

    Returns:
        (h, w) 0 to 255: certainty 0 to 1; 0 where nothing changed or a date has no class.
    """
    found = np.zeros(first.shape, np.uint8)
    changed = (first < classes) & (second < classes) & (first != second)
    if not changed.any():
        return found
    pairs = np.unique(first[changed].astype(np.int64) * classes + second[changed])
    limit = float(margin_of(tolerance))
    to_first = {k: _distance(first == k, limit) for k in sorted(set((pairs % classes).tolist()))}
    to_second = {k: _distance(second == k, limit) for k in sorted(set((pairs // classes).tolist()))}
    for pair in pairs.tolist():
        was, now = divmod(pair, classes)
        own = changed & (first == was) & (second == now)
        away = np.maximum(to_first[now][own], to_second[was][own])
        sure = np.where(away >= limit, 1.0, away / (away + tolerance))
        sure = np.where(_solid(own, tolerance)[own], sure, np.minimum(sure, 0.5))
        found[own] = np.maximum(1, np.rint(255 * sure)).astype(np.uint8)
    return found


def _solid(changed: npt.NDArray[np.bool_], tolerance: float) -> npt.NDArray[np.bool_]:
    """The connected parts (h, w) that are somewhere wider than two tolerances."""
    picture = changed.astype(np.uint8)
    inner = cv2.distanceTransform(np.pad(picture, 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    count, parts = cv2.connectedComponents(picture, connectivity=8)
    kept = np.zeros(count, np.bool_)
    kept[np.unique(parts[inner > tolerance])] = True
    kept[0] = False
    return np.asarray(kept[parts])


def _distance(there: npt.NDArray[np.bool_], limit: float) -> npt.NDArray[np.float32]:
    """Pixels to the nearest one that is set, `limit` at most."""
    if not there.any():
        return np.full(there.shape, limit, np.float32)
    away = cv2.distanceTransform((~there).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.minimum(away, limit), np.float32)
