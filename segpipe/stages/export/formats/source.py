"""What a format may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segpipe.base import files, parallel
from segpipe.base.geometry import Box, Size, tiles
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus, Image
from segpipe.records.legend import Legend
from segpipe.stages.export.settings import Config
from segpipe.store import masks

if TYPE_CHECKING:
    from segpipe.stages.export.vector.regions import Connected, Regions

R = TypeVar("R")


@dataclass(frozen=True)
class Source:
    """The masks of a run, its images, and what its clusters are called."""

    corpus: Corpus
    directory: Path
    """`masks/` of the run."""
    index: Sequence[Mapping[str, Any]]
    """One line per image, in the corpus's order; see `store.masks`."""
    legend: Legend
    """What the clusters of the masks are called."""
    settings: Config
    runtime: Runtime
    only: range | None = None
    """Which images of the corpus a part of the work is of; all where None."""

    @property
    def images(self) -> Sequence[Image]:
        """The images to work on."""
        return self.corpus.images if self.only is None else self.corpus.images[self.only.start : self.only.stop]

    def mask(self, image: Image, box: Box | None = None) -> masks.Mask:
        """The class map (h, w) of an image, or of a box of it; values as of `legend`."""
        return self.legend.read(masks.read_part(self.directory, self._entries[image.id], box))

    def reduced(self, image: Image, size: Size) -> masks.Mask:
        """The class map of an image scaled down to `size`; every value is that of the pixel at its place."""
        return self.legend.read(masks.read_reduced(self.directory, self._entries[image.id], size))

    def pieces(self, image: Image) -> list[Box]:
        """The boxes in which an image's class map is read so that little is held: all of it, or a mosaic's tiles."""
        size = image.size
        return tiles(size, self._entries[image.id].get("tile", max(size.height, size.width)))

    def strips(self, image: Image) -> Iterator[masks.Mask]:
        """The class map of an image in strips of rows, from the top: all of it, or a mosaic's rows of tiles."""
        size = image.size
        side = self._entries[image.id].get("tile", size.height)
        for top in range(0, size.height, side):
            yield self.mask(image, Box(top, 0, min(side, size.height - top), size.width))

    def connected(self, image: Image) -> Connected:
        """The regions of an image's class map, as of `regions`, read in strips.

        Memory: 5 bytes a pixel of a strip, and some 40 bytes for every region.
        """
        from segpipe.stages.export.vector.regions import (  # brings a compiler: who needs it pays for it
            connect,
            merge_small_strips,
        )

        empty, least = self.legend.nodata, self.settings.min_area
        return merge_small_strips(connect(self.strips(image), empty), lambda: self.strips(image), empty, least)

    def regions(self, image: Image) -> Regions:
        """The regions of an image's class map; those of fewer than `min_area` pixels have joined a neighbor.

        Memory: 4 bytes a pixel beside the map.
        """
        from segpipe.stages.export.vector.regions import (  # brings a compiler: who needs it pays for it
            find_regions,
            merge_small,
        )

        return merge_small(find_regions(self.mask(image), self.legend.nodata), self.settings.min_area)

    def clean_mask(self, image: Image) -> masks.Mask:
        """The class map (H, W) of an image without regions of fewer than `min_area` pixels."""
        if self.settings.min_area <= 1:
            return self.mask(image)
        return self.regions(image).mask(self.legend.nodata)

    def map(
        self, compute: Callable[[Image], R], unit: str, images: Sequence[Image] | None = None
    ) -> Iterator[tuple[Image, R]]:
        """`compute` in threads for every image, or some; results in the corpus's order, few of them in waiting."""
        images = self.images if images is None else images
        workers = self.runtime.workers
        computed = parallel.thread_map(compute, images, workers=workers, ahead=workers)
        return zip(images, self.runtime.track(computed, total=len(images), unit=unit), strict=True)

    def each(
        self,
        write: Callable[[Image, Path], None],
        folder: Path,
        ending: str,
        images: Sequence[Image] | None = None,
    ) -> int:
        """Call `write` in threads for every image with the file to write in `folder`; returns how many.

        Args:
            write: what to do.
            folder: where the files go.
            ending: of their names, after the image's id.
            images: some of the corpus's; all where None.
        """

        def one(image: Image) -> None:
            path = files.inside(folder, f"{image.id}{ending}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write(image, path)

        return len(list(self.map(one, f"{folder.name} files", images)))

    @cached_property
    def _entries(self) -> dict[str, Mapping[str, Any]]:
        return {entry["id"]: entry for entry in self.index}
