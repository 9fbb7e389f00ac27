"""Steady codes: those of a video's frame averaged with the frames before and after it, as `ops.maps.steady` says."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from segpipe.ops.maps.steady import FrameCodes, steady
from segpipe.records.corpus import Corpus

Float32 = npt.NDArray[np.float32]
ReadFrame = Callable[[int, bool], FrameCodes]
"""From a row of the feature store, and whether the mirrored crop is meant."""

_KEPT = 32  # crops held at a time


def neighbors(corpus: Corpus, row: int, reach: int) -> list[int]:
    """Rows of the feature store that hold the same box in up to `reach` frames before and after, in order of time.

    None where the image is no frame of a video.
    """
    crop = corpus.crops[row]
    image = corpus.images[crop.image]
    if image.moment is None:
        return []
    found = []
    for step in (*range(-reach, 0), *range(1, reach + 1)):
        at = crop.image + step
        if not 0 <= at < len(corpus.images):
            continue
        other = corpus.images[at]
        same_film = other.moment is not None and other.moment.video == image.moment.video
        if same_film and other.size == image.size:
            found.append(corpus.crops_of[at][row - corpus.crops_of[crop.image].start])
    return found


class SteadyCodes:
    """Reads codes, steadied where the image is a frame of a video; from any thread."""

    def __init__(self, corpus: Corpus, reach: int, read: ReadFrame) -> None:
        """Nothing is read yet.

        Args:
            corpus: images in order; the frames of a video follow each other.
            reach: frames looked at, on each side.
            read: gives a crop as it is.
        """
        self._corpus, self._reach, self._read = corpus, reach, read
        self._kept: OrderedDict[tuple[int, bool], FrameCodes] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, row: int, flipped: bool) -> Float32:
        """Codes (rows, cols, c) of a row of the feature store."""
        others = [self._frame(other, flipped) for other in neighbors(self._corpus, row, self._reach)]
        frame = self._frame(row, flipped)
        return steady(frame, others) if others else frame.codes

    def _frame(self, row: int, flipped: bool) -> FrameCodes:
        """A crop; each is read once for itself and for its neighbors."""
        key = (row, flipped)
        with self._lock:
            found = self._kept.get(key)
        found = found or self._read(row, flipped)
        with self._lock:
            self._kept[key] = found
            self._kept.move_to_end(key)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found
