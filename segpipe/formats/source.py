"""What a format may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from segpipe.base import files, parallel
from segpipe.base.geometry import Box, Size, tiles
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus, Image
from segpipe.records.legend import Legend
from segpipe.store import masks


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
    opacity: float
    runtime: Runtime

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

        images, workers = self.corpus.images if images is None else images, self.runtime.workers
        written = parallel.thread_map(one, images, workers=workers, ahead=workers)
        return len(list(self.runtime.track(written, total=len(images), unit=f"{folder.name} files")))

    @cached_property
    def _entries(self) -> dict[str, Mapping[str, Any]]:
        return {entry["id"]: entry for entry in self.index}
