"""The pictures of a report: what to draw of which image, and drawing it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from segpipe.base import parallel
from segpipe.base.geometry import Box
from segpipe.base.runtime import Runtime
from segpipe.images.corpus_reader import ReadBox, open_original, read_reduced
from segpipe.inference.class_gallery import GalleryInputs, Survey
from segpipe.plots import thumbnails
from segpipe.plots.overlay import overlay
from segpipe.records.gallery import Patch, TopImage
from segpipe.stages.report.page import FeatureView
from segpipe.stages.report.report_data import ReportPictures
from segpipe.store import masks

_SIDE = 420
"""Longest side of an image beside its class map, pixels."""
_VIEWS = 6
"""Crops shown as features."""


@dataclass(slots=True)
class ImagePlan:
    """What to draw of one image."""

    overlay: bool = False
    patches: list[Patch] = field(default_factory=list)
    top_images: list[int] = field(default_factory=list)
    """Classes to point out."""
    crops: list[int] = field(default_factory=list)
    """Crops to show as features."""


def draw_image(inputs: GalleryInputs, found: Survey, image: int, wanted: ImagePlan, *, small: int) -> ReportPictures:
    """Draw all that is wanted of one image: a photograph is read once, of a mosaic what is shown.

    Args:
        inputs: the run.
        found: how features become colors.
        image: index of the image.
        wanted: what to draw.
        small: longest side of the pictures that point out a class, in pixels.
    """
    corpus, drawn = inputs.corpus, ReportPictures()
    shown, colors = corpus.images[image], inputs.legend.colors
    with open_original(corpus, shown) as read:
        if wanted.overlay or wanted.top_images:
            rgb, mask = _small_pictures(inputs, image, read, side=_SIDE)
        if wanted.overlay:
            photo, classes = thumbnails.shrink(rgb, _SIDE), thumbnails.shrink_mask(mask, _SIDE)
            painted = overlay(photo, classes, colors, opacity=0.55)
            drawn.overlays[image] = thumbnails.photo(photo), thumbnails.photo(painted)
        for label in wanted.top_images:
            inside = thumbnails.shrink_mask(mask, small) == label
            picture = thumbnails.highlight(thumbnails.shrink(rgb, small), inside, colors[label])
            drawn.top_images[image, label] = thumbnails.photo(picture)
        for patch in wanted.patches:
            box = inputs.box(patch)
            around = thumbnails.surroundings(box, shown.size)
            drawn.patches[patch] = thumbnails.photo(thumbnails.around(read(around).rgb, box.within(around), side=104))
        for crop in wanted.crops:
            drawn.features[crop] = view_features(inputs, found, crop, read(corpus.crops[crop].box).rgb)
    return drawn


def _small_pictures(
    inputs: GalleryInputs, image: int, read: ReadBox, *, side: int
) -> tuple[npt.NDArray[np.uint8], masks.Mask]:
    """An image and its class map: a photograph whole, a mosaic scaled down to at most `side` pixels."""
    shown, entry = inputs.corpus.images[image], inputs.index[image]
    if shown.mosaic:
        size = shown.size.fit(side)
        mask = masks.read_reduced(inputs.masks, entry, size)
        return read_reduced(inputs.corpus, shown, size), inputs.legend.read(mask)
    whole = Box(0, 0, shown.size.height, shown.size.width)
    return read(whole).rgb, inputs.legend.read(masks.read_part(inputs.masks, entry))


def view_features(inputs: GalleryInputs, found: Survey, crop: int, rgb: npt.NDArray[np.uint8]) -> FeatureView:
    """A crop `rgb` (h, w, 3), its features and its codes as colors."""
    box = inputs.corpus.crops[crop].box
    grid = inputs.features.header.grid(box.size)
    patches = inputs.features.patches(crop)
    projected = inputs.encode(patches, inputs.features.valid(crop))
    features, coded = (
        thumbnails.drawing(thumbnails.shrink(thumbnails.blocks(colors, patch=grid.patch, content=grid.content), 320))
        for colors in (found.feature_axes.paint(patches), found.code_axes.paint(projected))
    )
    photo = thumbnails.photo(thumbnails.shrink(rgb, 320))
    return FeatureView(inputs.corpus.images[inputs.corpus.crops[crop].image].id, photo, features, coded)


def plan_drawing(
    crops_of: Sequence[range],
    shown: Sequence[int],
    best: Mapping[int, Sequence[Patch]],
    top: Mapping[int, Sequence[TopImage]],
) -> dict[int, ImagePlan]:
    """What to draw of which image, in the order of the corpus.

    Args:
        crops_of: for each image the range of its crops.
        shown: images to show beside their class maps; some of them also as features.
        best: patches per class.
        top: images per class where it covers most.
    """
    wanted = defaultdict[int, ImagePlan](ImagePlan)
    for image in shown:
        wanted[image].overlay = True
    for place in np.unique(np.linspace(0, len(shown) - 1, min(_VIEWS, len(shown))).round().astype(int)).tolist():
        wanted[shown[place]].crops.append(crops_of[shown[place]][0])
    for label, images in top.items():
        for each in images:
            wanted[each.image].top_images.append(label)
    for patches in best.values():
        for patch in patches:
            wanted[patch.image].patches.append(patch)
    return dict(sorted(wanted.items()))


def draw_all(
    inputs: GalleryInputs, found: Survey, wanted: Mapping[int, ImagePlan], *, small: int, runtime: Runtime
) -> ReportPictures:
    """Draw all pictures; every image is read once, and few at a time are in memory."""
    drawn = ReportPictures()
    one = partial(draw_image, inputs, found, small=small)
    parts = parallel.thread_map(lambda item: one(*item), wanted.items(), workers=min(4, runtime.workers), ahead=4)
    for part in runtime.track(parts, total=len(wanted), unit="images"):
        drawn.update(part)
    return drawn
