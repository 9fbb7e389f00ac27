"""How much of a class map is still the same after its image was corrupted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.confusion import ClassCounts, bootstrap, pooled
from segpipe.records.corruption import Bools, Corruption
from segpipe.records.finding import KEPT, MIOU, Finding

Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.integer]


def count_kept(before: Mask, after: Mask, counted: Bools, *, classes: int) -> Int64:
    """Count the pixels of one image by class, before and after.

    Args:
        before: (H, W) classes of the image as it was; values from `classes` on are none.
        after: (H, W) classes of the corrupted image at the same places.
        counted: (H, W) pixels that can be compared; those without a class before are left out as well.
        classes: how many there are.

    Returns:
        (3, classes) pixels that had the class before and after, that had it before, and that have it after.
    """
    chosen = counted & (before < classes)
    old, new = before[chosen].astype(np.int64), after[chosen].astype(np.int64)
    rows = (old[old == new], old, new[new < classes])
    return np.stack([np.bincount(row, minlength=classes) for row in rows]).astype(np.int64)


def agreement_findings(
    corruption: Corruption, level: float, counts: Int64, *, resamples: int, seed: int
) -> tuple[Finding, Finding]:
    """What was counted of all images under a corruption, as mean IoU and as share of pixels that keep their class.

    The original masks stand where labels stand in `evaluate`: the mean is over the classes they hold.

    Args:
        corruption: what was done to the images.
        level: how strongly.
        counts: (images, 3, classes) of `count_kept`; images without a counted pixel take no part.
        resamples: of the bootstrap over images.
        seed: of its draws.
    """
    held = counts[counts[:, 1].sum(axis=1) > 0].astype(np.float64)
    images = ClassCounts(tp=held[:, 0], support=held[:, 1], predicted=held[:, 2])
    whole, spread = pooled(images), bootstrap(images, resamples=resamples, seed=seed)

    def finding(measure: str, value: float, ends: tuple[float, float] | None) -> Finding:
        shown, (low, high) = value if len(held) else None, ends or (None, None)
        return Finding(corruption.name, corruption.family, level, corruption.unit, measure, shown, low, high, len(held))

    kept, miou = spread or (None, None)
    return finding(MIOU, float(whole.miou()), miou), finding(KEPT, float(whole.accuracy()), kept)
