"""How images become crops: what files are checked by, and the boxes that the network sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segpipe.base.geometry import Box, Size, five_crops, windows
from segpipe.base.guarded import Guards
from segpipe.images.bands import numbers
from segpipe.images.mosaics import showing
from segpipe.images.scale_groups import with_scale
from segpipe.images.validate import Item, Limits, check
from segpipe.records.corpus import Corpus, Crop, Image, Rejected, valid_path


@dataclass(frozen=True, slots=True)
class CropPlan:
    """Settings of `index` that decide on the crops of an image; see there what each means."""

    crops: str
    window: int
    overlap: float
    bands: tuple[int | str, ...]
    max_pixels: int
    any_band: bool = False

    @property
    def limits(self) -> Limits:
        """What files are checked by."""
        return Limits(self.window, self.bands, self.max_pixels, self.any_band)

    def windows(self, size: Size) -> list[Box]:
        """Overlapping windows that cover an image."""
        return windows(size, side=self.window, overlap=self.overlap)

    def photograph(self, size: Size) -> list[Box]:
        """The boxes of a photograph that the network will see; together they cover it."""
        if self.crops == "windows":
            return self.windows(size)
        return five_crops(size) if self.crops == "five" else [Box(0, 0, size.height, size.width)]

    def boxes(self, image: Image, corpus_dir: Path) -> list[Box]:
        """The boxes of an image that passed; a mosaic is always cut into windows, those without image left out."""
        if image.mosaic:
            return showing(valid_path(corpus_dir, image.id), self.windows(image.size))
        return self.photograph(image.size)


def corpus_of_one(
    plan: CropPlan,
    scaling: Mapping[str, tuple[float, float]],
    root: Path,
    item: Item,
    corpus_dir: Path,
    guards: Guards,
) -> Corpus | Rejected:
    """Check one file, or keep a frame, and plan its crops: a corpus of one image.

    Args:
        plan: how crops are planned.
        scaling: of the corpus that the model was made from.
        root: folder.
        item: a file below it, or a frame of a video.
        corpus_dir: a folder for frames and the valid pixels of mosaics, in use as long as the corpus.
        guards: processes to decode in.
    """
    found = check(item, root=root, corpus_dir=corpus_dir, limits=plan.limits, guards=guards)
    if isinstance(found, Rejected):
        return found
    if found.depth != "uint8" and found.depth not in scaling:
        return Rejected(item.name, f"has {found.depth} values, and the model's run had no such images to scale them by")
    found = with_scale(found, scaling)
    crops = tuple(Crop(0, box) for box in plan.boxes(found, corpus_dir))
    return Corpus(root, (found,), crops, scaling, numbers(plan.bands), corpus_dir)
