"""How sure a class map is, pixel by pixel, and which images a person should label next."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from segpipe.ops.maps import blend
from segpipe.ops.maps.segment import Positions

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Map = npt.NDArray[np.uint8]

_STRIP = 1 << 22  # numbers in one strip: 16 MB of float32


def certainty_at(probabilities: Float32, y: Positions, x: Positions, *, strip: int = _STRIP) -> tuple[Map, Map]:
    """Margin and entropy at every combination of rows and columns, probabilities interpolated bilinearly.

    Args:
        probabilities: (h, w, K), the last axis sums to 1.
        y: (H,) positions in rows, 0 is the center of the first; None for those of the rows themselves.
        x: (W,) positions in columns; None where `y` is.
        strip: numbers held at once.

    Returns:
        (H, W) margin: probability of the best class minus that of the second, 0 to 1 as 0 to 255. (H, W) entropy
        divided by log K: 0 = one class is certain, 255 = all are as likely. With one class 255 and 0.
    """
    height, width = (len(at) if at is not None else n for at, n in zip((y, x), probabilities.shape, strict=False))
    margin, entropy = (np.empty((height, width), np.uint8) for _ in range(2))
    step = max(1, strip // max(1, width * probabilities.shape[2]))
    for start in range(0, height, step):
        stop = min(start + step, height)
        if y is None or x is None:
            values = probabilities[start:stop]
        else:
            values = blend.upsample(probabilities, y[start:stop], x)
        margin[start:stop], entropy[start:stop] = _measure(values)
    return margin, entropy


def _measure(values: Float32) -> tuple[Map, Map]:
    """Class by class: no array as large as all classes is made."""
    best, second, total = (np.zeros(values.shape[:2], np.float32) for _ in range(3))
    for k in range(values.shape[2]):
        value = np.ascontiguousarray(values[..., k])
        np.maximum(second, np.minimum(best, value), out=second)
        np.maximum(best, value, out=best)
        total -= value * np.log(np.maximum(value, np.finfo(np.float32).tiny))
    scale = 1 / math.log(values.shape[2]) if values.shape[2] > 1 else 0.0
    return _byte(best - second), _byte(total * scale)


def _byte(share: Float32) -> Map:
    return np.asarray(np.rint(np.clip(share, 0, 1) * 255), np.uint8)


def label_next(entropy: Float64, doubt: Float64, *, count: int) -> list[tuple[int, int]]:
    """Images that a person should label next: those the map is least sure of, spread over the classes.

    The least certain images of a corpus are often alike. So every image stands for one class: that whose doubt, summed
    over the corpus, it holds the largest part of. The most uncertain image of each class comes first, then the second
    of each, and so on; within a turn the more uncertain first.

    Args:
        entropy: (images,) mean over the pixels of each, 0 to 1; NaN for images without a class, which are left out.
        doubt: (images, classes) sum over the pixels of a class of 1 - margin.
        count: how many images at most.

    Returns:
        Pairs (image, class it stands for).
    """
    total = doubt.sum(axis=0)
    part = np.divide(doubt, total, out=np.zeros_like(doubt, dtype=np.float64), where=total > 0)
    groups: dict[int, list[int]] = defaultdict(list)
    order = [int(i) for i in np.argsort(-entropy, kind="stable") if np.isfinite(entropy[i])]
    for image in order:
        groups[int(part[image].argmax())].append(image)
    chosen: list[tuple[int, int]] = []
    for turn in range(max(map(len, groups.values()), default=0)):
        found = [(group[turn], k) for k, group in groups.items() if turn < len(group)]
        chosen += sorted(found, key=lambda pair: (-entropy[pair[0]], pair[0]))
    return chosen[:count]
