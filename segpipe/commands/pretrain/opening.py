"""What is learned from, found and fingerprinted at once, decoded when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain.dino import Dino
from segpipe.commands.pretrain.film_source import FilmClips
from segpipe.commands.pretrain.image_cache import cache_bytes, listing_key, needed_side, open_cache
from segpipe.commands.pretrain.method import Method
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.prepared import RGB, ItemSource, Prepared
from segpipe.images.label_masks import photographs
from segpipe.images.listing import Listing, list_images


class Photographs:
    """The images of a folder, a glob or a list, for DINO."""

    def __init__(self, listing: Listing, options: PretrainOptions, norm: tuple[RGB, RGB]) -> None:
        """Those of a listing.

        Args:
            listing: the files.
            options: how views are made.
            norm: mean and standard deviation of the network's input.
        """
        views = [(options.global_size, options.global_scale[0])]
        if options.local_crops:
            views.append((options.local_size, options.local_scale[0]))
        self._listing, self._options, self._norm = listing, options, norm
        self._side = needed_side(views)
        self.key = listing_key(listing, self._side)

    def bytes_needed(self) -> int:
        """Of the cache."""
        return cache_bytes(len(self._listing.paths), self._side)

    def prepare(self, folder: Path, runtime: Runtime) -> Prepared:
        """Decode each image once, as small as its views allow."""
        cache = open_cache(folder, self._listing, self._side, runtime)
        make = partial(_dino, cache.read, len(cache), self._options, self._norm)
        return Prepared(len(cache), cache.rejected, make)

    def few(self, count: int) -> Photographs:
        """Some of the images, spread evenly over the list."""
        paths = self._listing.paths
        some = tuple(paths[i * len(paths) // min(count, len(paths))] for i in range(min(count, len(paths))))
        return Photographs(Listing(self._listing.root, some, ()), self._options, self._norm)


def _dino(
    read: Callable[[int], npt.NDArray[np.uint8]],
    count: int,
    options: PretrainOptions,
    norm: tuple[RGB, RGB],
    outputs: int,
    steps: int,
    device: str,
) -> Method:
    return Dino(read, count, options, norm, outputs=outputs, steps=steps, device=device)


def open_source(options: PretrainOptions, norm: tuple[RGB, RGB]) -> ItemSource:
    """Find what `options.images` means to the method.

    Raises:
        UsageError: there is no such thing.
        CorpusError: it holds no image, or is a film that cannot be opened.
    """
    if options.method == "dora":
        return FilmClips(options, norm, frames=options.frames)
    return Photographs(photographs(list_images(options.images, skip=options.out)), options, norm)
