"""How images become crops: what files are checked by, and the boxes that the network sees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segpipe.base.geometry import Box, Size, five_crops, windows
from segpipe.base.guarded import Guards
from segpipe.images.bands import numbers
from segpipe.images.mosaics import showing
from segpipe.images.scale_groups import with_scale
from segpipe.images.stack_plan import StackPlan
from segpipe.images.validate import Item, Limits, check
from segpipe.records.corpus import Corpus, Crop, Image, Rejected, valid_path
from segpipe.records.view import scales_of

_STRIP = 16
"""Images more than this many times as long as wide are strips."""
_MANY = 64  # pieces


@dataclass(frozen=True, slots=True)
class CropPlan:
    """Settings of `index` that decide on the crops of an image; see there what each means."""

    crops: str
    window: int
    overlap: float
    bands: tuple[int | str, ...]
    max_pixels: int
    any_band: bool = False
    stack: StackPlan | None = None

    @property
    def limits(self) -> Limits:
        """What files are checked by."""
        return Limits(self.window, self.bands, self.max_pixels, self.any_band, self.stack)

    def windows(self, size: Size) -> list[Box]:
        """Overlapping windows that cover an image."""
        return [piece for box in windows(size, side=self.window, overlap=self.overlap) for piece in pieces(box)]

    def photograph(self, size: Size) -> list[Box]:
        """The boxes of a photograph that the network will see; together they cover it."""
        if self.crops == "windows":
            return self.windows(size)
        boxes = five_crops(size) if self.crops == "five" else [Box(0, 0, size.height, size.width)]
        return [piece for box in boxes for piece in pieces(box)]

    def boxes(self, image: Image, corpus_dir: Path) -> list[Box]:
        """The boxes of an image that passed; a mosaic is always cut into windows, those without image left out."""
        if image.mosaic:
            return showing(valid_path(corpus_dir, image.id), self.windows(image.size))
        return self.photograph(image.size)


def pieces(box: Box) -> list[Box]:
    """A box, or where it is a strip the pieces that it is looked at in.

    The features of all crops of a run are stored in rows of the same number of patches, so one long strip would make
    the rows of all others as long. Pieces overlap by half where that are not very many.

    >>> pieces(Box(0, 0, 40, 600)), len(pieces(Box(0, 0, 40, 12_000))), pieces(Box(0, 0, 1, 20))[1:2]
    ([Box(top=0, left=0, height=40, width=600)], 38, [Box(top=0, left=2, height=1, width=4)])
    """
    short, long = sorted((box.height, box.width))
    if long <= _STRIP * short:
        return [box]
    for times, overlap in ((4, 0.5), (8, 0.5), (8, 0.0), (_STRIP, 0.0)):
        step = times * short * (1 - overlap)
        count = 1 + math.ceil((long - times * short) / step)
        if count <= _MANY:
            break
    length = times * short
    starts = [round(i * (long - length) / (count - 1)) for i in range(count)]
    if box.width == long:
        return [Box(box.top, box.left + start, box.height, length) for start in starts]
    return [Box(box.top + start, box.left, length, box.width) for start in starts]


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
    if found.view.channels and any(name not in scaling for name in scales_of(found.depth, found.view)):
        return Rejected(
            item.name,
            f"has channels {', '.join(found.view.channels)} of {found.depth} values, and the model's run had others",
        )
    if found.depth != "uint8" and not found.view.channels and found.depth not in scaling:
        return Rejected(item.name, f"has {found.depth} values, and the model's run had no such images to scale them by")
    found = with_scale(found, scaling)
    crops = tuple(Crop(0, box) for box in plan.boxes(found, corpus_dir))
    return Corpus(root, (found,), crops, scaling, numbers(plan.bands), corpus_dir)
