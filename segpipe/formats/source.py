"""What a format may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.base import files, parallel
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus, Image
from segpipe.records.legend import Legend
from segpipe.store import masks


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
    runtime: Runtime

    def mask(self, image: Image) -> masks.Mask:
        """The class map (H, W) of an image; values as of `legend`."""
        return self.legend.read(masks.read_mask(masks.mask_path(self.directory, image.id)))

    def each(self, write: Callable[[Image, Path], None], folder: Path, ending: str) -> int:
        """Call `write` in threads for every image with the file to write in `folder`; returns how many."""

        def one(image: Image) -> None:
            path = files.inside(folder, f"{image.id}{ending}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write(image, path)

        images, workers = self.corpus.images, self.runtime.workers
        written = parallel.thread_map(one, images, workers=workers, ahead=workers)
        return len(list(self.runtime.track(written, total=len(images), unit=f"{folder.name} files")))
