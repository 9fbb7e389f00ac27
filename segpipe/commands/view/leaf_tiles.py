"""Leaf tiles of the viewer: the small cluster of each patch, for the slider; and the grids they are cut from.

Values are leaves of the tree, patch by patch, before masks are refined; written as index tiles are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.commands.view.index_tiles import NODATA, encode_index
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.patch_painting import paint
from segpipe.commands.view.pyramid import levels, tile_at
from segpipe.commands.view.tile_cache import BoundedMap, TileCache
from segpipe.ops.maps.smoothing import smooth

Leaves = npt.NDArray[np.uint16]


class LeafTiles:
    """Pieces of the maps of leaves."""

    def __init__(self, run: OpenedRun, cache: TileCache, *, memory: int) -> None:
        """Hold at most about `memory` bytes of leaves."""
        self._run, self._cache = run, cache
        self._grids = BoundedMap[Leaves](memory)

    def tile(self, number: int, level: int, col: int, row: int) -> bytes:
        """A tile as PNG.

        Raises:
            NotHere: there is no such image or tile.
            SegpipeError: the run has no tree, head or features, or they are damaged.
        """
        image = self._run.image(number)
        tile = tile_at(image.size, level, col, row)
        if tile is None:
            raise NotHere(f"image {number} has no tile {level}/{col}/{row}; it has {levels(image.size)} levels")

        def make() -> bytes:
            corpus, header = self._run.corpus, self._run.features.header
            rows = corpus.crops_of[number]
            boxes = [corpus.crops[i].box for i in rows]
            drawn = paint(tile, boxes, header, lambda i: self.leaves(rows[i]), empty=NODATA, blended=False)
            return encode_index(drawn)

        return self._cache.get_or_make(("leaf", self._run.artefacts, number, level, col, row), make)

    def leaves(self, crop: int) -> Leaves:
        """The leaf of every patch of a crop (rows, cols), 65535 where it shows nothing."""
        key = self._run.artefacts, crop
        found = self._grids.get(key)
        if found is None:
            store, tree = self._run.features, self._run.tree
            valid = store.valid(crop)
            codes = smooth(self._run.head.codes(store.patches(crop)), valid, self._run.clusters.smooth)
            found = np.where(valid, (codes @ tree.centers.T).argmax(axis=-1), NODATA).astype(np.uint16)
            self._grids.put(key, found, found.nbytes + 200)
        return found
