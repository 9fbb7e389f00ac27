"""Features of images that are in no store, described when they are asked for."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from segpipe.inference.encoder import Encoder
from segpipe.inference.extraction import describe_crops, read_cuts
from segpipe.ops.maps.crops import batches
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.store.features import CropFeatures

_BLOCK = 16  # crops that are cut from an image at a time, so that it is not decoded for each
_KEPT = 256  # crops whose features are held at a time


class LiveFeatures:
    """What a `FeatureStore` of a corpus would give, without the store. One thread uses it at a time."""

    def __init__(self, corpus: Corpus, header: FeatureHeader, encoder: Encoder) -> None:
        """Nothing is described yet; the encoder's features are those that would come back from a store."""
        self.header = header
        self._corpus, self._encoder = corpus, encoder
        self._kept: OrderedDict[int, CropFeatures] = OrderedDict()

    def patches(self, row: int, *, flipped: bool = False) -> npt.NDArray[np.float16]:
        """Features (rows, cols, d) of a crop, or of the mirrored crop.

        Raises:
            ValueError: mirrored features are asked for and the header knows none.
            CorpusError, MachineError: as `read_cuts` and `describe_crops`.
        """
        found = self._described(row)
        chosen = found.flipped if flipped else found.patches
        if chosen is None:
            raise ValueError("the header says that crops are not mirrored")
        return chosen.astype(np.float16, copy=False)

    def valid(self, row: int) -> npt.NDArray[np.bool_]:
        """Which patches (rows, cols) show image."""
        return self._described(row).valid

    def vector(self, row: int) -> npt.NDArray[np.float32]:
        """The pooled vector (d,) of a crop."""
        return np.asarray(self._described(row).vector, np.float32)

    def _described(self, row: int) -> CropFeatures:
        if row in self._kept:
            self._kept.move_to_end(row)
            return self._kept[row]
        corpus, image = self._corpus, self._corpus.crops[row].image
        rows = range(row, min(row + _BLOCK, corpus.crops_of[image].stop))
        cuts = read_cuts([r for r in rows if r not in self._kept], corpus=corpus, header=self.header)
        name = str(corpus.path(corpus.images[image]))
        for group in batches(cuts, self._encoder.most):
            self._kept |= describe_crops(group, self._encoder.describe, pool=self.header.pool, name=lambda _: name)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[row]
