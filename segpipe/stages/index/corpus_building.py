"""From checked files to a corpus: scales that deep images share, and crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segpipe.base.errors import CorpusError
from segpipe.base.guarded import Guards
from segpipe.images.bands import numbers
from segpipe.images.crop_plan import CropPlan
from segpipe.images.listing import Listing
from segpipe.images.scale_groups import group_scales, told_of_scale
from segpipe.images.scaling import find_scaling
from segpipe.images.stack_views import alike
from segpipe.records.corpus import Corpus, Crop, Image, Rejected


def build_corpus(
    listing: Listing,
    checked: Sequence[Image | Rejected],
    corpus_dir: Path,
    *,
    plan: CropPlan,
    guards: Guards,
    settled: Mapping[str, tuple[float, float]],
) -> tuple[Corpus, list[Rejected]]:
    """Make the corpus of the files that passed, deep ones scaled as is settled.

    Raises:
        CorpusError: no file passed.
    """
    rejected = [*listing.rejected, *(item for item in checked if isinstance(item, Rejected))]
    images = [item for item in checked if isinstance(item, Image)]
    if not images:
        first = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:3])
        set_so = all("index." in item.reason for item in rejected)
        way_out = "correct these settings" if set_so else "repair or replace them"
        raise CorpusError(f"none of {len(rejected)} files in {listing.root} can be used ({first}); {way_out}")
    images, others = alike(images)
    rejected += others
    images = [_told_of_strip(image, plan) for image in group_scales(images, settled)]
    planned = [Crop(i, box) for i, image in enumerate(images) for box in plan.boxes(image, corpus_dir)]
    scaling = find_scaling(images, listing.root, corpus_dir, plan=plan, guards=guards, settled=settled)
    told = tuple(told_of_scale(image, scaling) for image in images)
    return Corpus(listing.root, told, tuple(planned), scaling, numbers(plan.bands), corpus_dir), rejected


def _told_of_strip(image: Image, plan: CropPlan) -> Image:
    count = len(plan.photograph(image.size))
    note = f"a strip, looked at in {count} pieces"
    if image.mosaic or plan.crops != "whole" or count == 1 or note in image.notes:  # of a known file
        return image
    return replace(image, notes=(*image.notes, note))
