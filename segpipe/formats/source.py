"""What a format may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from segpipe.base import files, parallel
from segpipe.base.runtime import Runtime
from segpipe.ops.regions import Regions, find_regions, merge_small
from segpipe.records.corpus import Corpus, Image
from segpipe.records.legend import Legend
from segpipe.store import masks

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What of the settings of `export` formats go by; `stages.export.Config` says what each means."""

    min_area: int
    simplify: float
    gsd: float | None
    layers: Literal["crs", "image"]
    coco: Literal["rle", "polygon"]
    images: Literal["link", "copy", "none"]
    image_url: str
    points: int
    sampling: Literal["random", "stratified", "grid"]
    seed: int


@dataclass(frozen=True, slots=True)
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
    settings: Settings
    runtime: Runtime

    def mask(self, image: Image) -> masks.Mask:
        """The class map (H, W) of an image; values as of `legend`."""
        return self.legend.read(masks.read_mask(masks.mask_path(self.directory, image.id)))

    def regions(self, image: Image) -> Regions:
        """The regions of an image's class map; those of fewer than `min_area` pixels have joined a neighbor.

        Memory: 4 bytes a pixel beside the map.
        """
        return merge_small(find_regions(self.mask(image), self.legend.nodata), self.settings.min_area)

    def clean_mask(self, image: Image) -> masks.Mask:
        """The class map (H, W) of an image without regions of fewer than `min_area` pixels."""
        if self.settings.min_area <= 1:
            return self.mask(image)
        return self.regions(image).mask(self.legend.nodata)

    def map(self, compute: Callable[[Image], R], unit: str) -> Iterator[tuple[Image, R]]:
        """`compute` in threads for every image; the results in the corpus's order, few of them in waiting."""
        images, workers = self.corpus.images, self.runtime.workers
        computed = parallel.thread_map(compute, images, workers=workers, ahead=workers)
        return zip(images, self.runtime.track(computed, total=len(images), unit=unit), strict=True)

    def each(self, write: Callable[[Image, Path], None], folder: Path, ending: str) -> int:
        """Call `write` in threads for every image with the file to write in `folder`; returns how many."""

        def one(image: Image) -> None:
            path = files.inside(folder, f"{image.id}{ending}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write(image, path)

        return len(list(self.map(one, f"{folder.name} files")))
