"""What `refine` says of its masks: their pixels, counted while the lines of the index pass through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from pydantic import BaseModel


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    images: int
    classes: int
    pixels: int
    """Pixels with a class, of all images."""
    nodata: int
    """Pixels without image content, of all images."""
    shares: list[float]
    """Share of each class among the pixels with a class."""
    empty_classes: list[int]
    """Classes that no pixel has."""
    crf: bool


class Tally:
    """Counts the pixels of masks whose lines pass through."""

    def __init__(self, classes: int, *, crf: bool) -> None:
        self._classes, self._crf = classes, crf
        self._images = self._nodata = 0
        self._pixels = np.zeros(classes, np.int64)

    def count(self, lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Pass lines of the index through."""
        for line in lines:
            self._images += 1
            self._nodata += line["nodata"]
            for name, count in line["pixels"].items():
                self._pixels[int(name)] += count
            yield line

    def summary(self) -> Summary:
        """Of what has passed."""
        total = int(self._pixels.sum())
        return Summary(
            images=self._images,
            classes=self._classes,
            pixels=total,
            nodata=self._nodata,
            shares=[round(count / max(1, total), 6) for count in self._pixels.tolist()],
            empty_classes=np.flatnonzero(self._pixels == 0).tolist(),
            crf=self._crf,
        )
