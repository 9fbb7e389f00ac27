"""Read boxes of a mosaic scaled down, by the overviews of the file where it has some; for looking, not for computing.

What `index` found to hold no image is not asked: pixels are shown as the file has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size
from segpipe.images import rasters
from segpipe.images.corpus_reader import changed, check_size, original_file
from segpipe.images.decoding import decoding
from segpipe.images.headers import BadImage, Container, inspect
from segpipe.images.mosaics import check_readable
from segpipe.images.photographs import open_photograph, upright
from segpipe.images.readers import pixels_of
from segpipe.images.stacks import open_view
from segpipe.records.corpus import Corpus, Image

Rgb = npt.NDArray[np.uint8]
_FINER = 4  # times finer than wanted, at most, is read and averaged
_HELD = 1 << 24  # pixels read at once


@dataclass(frozen=True, slots=True)
class ScaledMosaic:
    """An opened mosaic; for one thread at a time."""

    corpus: Corpus
    image: Image
    _dataset: Any
    _container: Container
    _bands: rasters.Bands
    overviews: tuple[int, ...]
    """Factors by which the overviews of the file are smaller, ascending; none where it has none."""
    block: Size
    """Of what is stored, and decoded, together."""

    def cheap(self, scale: int) -> bool:
        """Whether boxes scaled down by `scale` can be read without decoding all of their pixels."""
        return any(factor > 1 and 2 * factor >= scale for factor in self.overviews)

    def read(self, box: Box, size: Size) -> Rgb:
        """A box scaled down to `size`, (size.height, size.width, 3) 8-bit RGB, averaged.

        Raises:
            CorpusError: the file cannot be decoded any more.
        """
        finer = next((factor for factor in (_FINER, 2, 1) if self._fits(box, size, factor)), 1)
        between = Size(min(box.height, size.height * finer), min(box.width, size.width * finer))
        try:
            with decoding(self.corpus.path(self.image)):
                values = rasters.read_scaled(self._dataset, self._container, self._bands, box, between)
        except BadImage as error:
            raise changed(self.corpus, self.image, error.reason) from error
        rgb = pixels_of(values, None, self.corpus.limits(self.image), self.image.view).rgb
        if between == size:
            return rgb
        return np.asarray(cv2.resize(rgb, (size.width, size.height), interpolation=cv2.INTER_AREA), np.uint8)

    def _fits(self, box: Box, size: Size, factor: int) -> bool:
        wanted = size.height * size.width * factor**2
        return wanted <= _HELD and (factor == 1 or box.height * box.width >= wanted)


def read_small(corpus: Corpus, image: Image, scale: int) -> Rgb | None:
    """A JPEG photograph of the corpus, 2, 4 or 8 times smaller, made without decoding all of it.

    Returns:
        (ceil(H / scale), ceil(W / scale), 3) 8-bit RGB as displayed; None for files of other kinds.

    Raises:
        CorpusError: the file is gone, or is not the one that was indexed.
    """
    if image.mosaic or image.depth != "uint8":
        return None
    with original_file(corpus, image) as path:
        try:
            with decoding(path):
                container = inspect(path)
                if container.kind != "JPEG" or container.raster:
                    return None
                with open_photograph(path, container) as opened:
                    wide, high = opened.size
                    opened.draft("RGB", (max(1, wide // scale), max(1, high // scale)))
                    rgb = upright(np.asarray(opened.convert("RGB")), container.orientation)
        except BadImage as error:
            raise changed(corpus, image, error.reason) from error
    wanted = -(-image.size.height // scale), -(-image.size.width // scale)
    return rgb if rgb.shape[:2] == wanted else None


@contextmanager
def open_scaled(corpus: Corpus, image: Image) -> Iterator[ScaledMosaic]:
    """Open a mosaic of the corpus, by one thread.

    Raises:
        CorpusError: the file is gone, or is not the one that was indexed.
    """
    view = replace(corpus.view(image), beside=())
    with ExitStack() as stack:
        path = stack.enter_context(original_file(corpus, image))
        try:
            with decoding(path):
                container = inspect(path)
                dataset, bands = stack.enter_context(open_view(path, container, view))
                check_readable(path, dataset)
                depth = rasters.depth_of(dataset)
        except BadImage as error:
            raise changed(corpus, image, error.reason) from error
        if depth != image.depth:
            raise changed(corpus, image, f"{image.depth} samples then, {depth} now")
        check_size(corpus, image, Size(dataset.height, dataset.width))
        overviews = tuple(sorted(int(factor) for factor in dataset.overviews(bands.shown[0])))
        block = Size(*(int(length) for length in dataset.block_shapes[0]))
        yield ScaledMosaic(corpus, image, dataset, container, bands, overviews, block)
