"""One run as the server shows it: what answers each question of the page, with caches of bounded size."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from segpipe.base.errors import SegpipeError
from segpipe.commands.view.actions import Actions
from segpipe.commands.view.catalog import describe_run
from segpipe.commands.view.class_samples import ClassSamples
from segpipe.commands.view.index_tiles import IndexTiles
from segpipe.commands.view.leaf_tiles import LeafTiles
from segpipe.commands.view.likeness import Likeness
from segpipe.commands.view.live_state import LiveState
from segpipe.commands.view.mosaic_copy import MosaicCopies
from segpipe.commands.view.opened_run import WATCHED, NotHere, OpenedRun, Signature, signature
from segpipe.commands.view.photo_tiles import PhotoTiles
from segpipe.commands.view.point_file import PointFile
from segpipe.commands.view.tile_cache import TileCache

MEMORY_TILES, MEMORY_PHOTOS, MEMORY_MASKS, MEMORY_LEAVES = 32 << 20, 112 << 20, 48 << 20, 24 << 20
_THUMBS = 24
DISK_TILES = 1 << 30
"""Bytes that are held of encoded pictures, decoded photographs, masks and leaves, and on disk; two runs share them."""


class Viewer:
    """A run, opened for looking."""

    def __init__(self, root: Path, folder: Path, *, beside: bool, writable: bool) -> None:
        """Open the run at `root`; what is cached on disk lies in `folder`.

        Raises:
            UsageError: it is no run.
        """
        self.run = OpenedRun(root)
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._described: tuple[Signature, dict[str, Any]] | None = None
        self.writable, self._beside = writable, beside
        (folder / "tiles").mkdir(parents=True)
        share = 2 if beside else 1
        cache = TileCache(folder / "tiles", memory=MEMORY_TILES // share, disk=DISK_TILES // share)
        self.copies = MosaicCopies(folder)
        self.photos = PhotoTiles(self.run, cache, self.copies, memory=MEMORY_PHOTOS // share)
        self.index = IndexTiles(self.run, cache, memory=MEMORY_MASKS // share)
        self.points = PointFile(self.run)
        self.live = LiveState(self.run, self.points)
        self.actions = Actions(self.run, self.points)
        self.leaves = LeafTiles(self.run, cache, memory=MEMORY_LEAVES // share)
        self.likeness = Likeness(self.run, cache)
        self.samples = ClassSamples(self.run)

    def describe(self) -> dict[str, Any]:
        """What the page must know once."""
        now = signature(self.run.root, (*WATCHED, "manifest.json", "cover/cover.json"))
        with self._lock:
            if self._described is None or self._described[0] != now:
                self._described = now, describe_run(self.run, beside=self._beside)
            return self._described[1]

    def warm(self) -> None:
        """Make what a page asks for first, before one is there."""
        with suppress(SegpipeError, NotHere, OSError, RuntimeError):  # the last where it is closed meanwhile
            self.describe()
            self.state()
            images = self.run.corpus.images
            first = next((i for i, image in enumerate(images) if image.mosaic), 0)
            for tile in (self.index.tile, self.photos.tile):  # a copy of a mosaic takes the processor
                if not self._closed.is_set():
                    tile(first, 0, 0, 0)
            for number in range(min(_THUMBS, len(images))):
                if not self._closed.is_set():
                    self.photos.thumb(number)

    def state(self) -> dict[str, Any]:
        """What may have changed."""
        return self.live.now({**self.actions.state(), "drawing": self.copies.drawing})

    def do(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Do an action of the page; the state after it, and what is to be told."""
        told = self.actions.do(given)
        return {"state": self.state(), **told}

    def close(self) -> None:
        """Give up what is being made."""
        self._closed.set()
        self.copies.close()
        self.photos.close()
        self.actions.close()
