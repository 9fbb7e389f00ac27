"""Corrupt images of a run, segment them again, and count what stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box
from segpipe.commands.robustness.agreement import Int64, count_kept
from segpipe.images.corpus_reader import open_original
from segpipe.images.transform import CropResize
from segpipe.inference.segment_array import Bools, Rgb, Segmenter, segment_picture
from segpipe.ops.corruptions.registry import corrupt, inverse, shows_image, visible_in_both, warp_back
from segpipe.plots.overlay import overlay
from segpipe.plots.thumbnails import shrink, shrink_mask
from segpipe.records.corpus import Corpus
from segpipe.records.corruption import CorruptedImage, Corruption
from segpipe.records.legend import Legend

_SHOWN = 300  # pixels of the longest side of an image on the page


@dataclass(frozen=True, slots=True)
class CorruptionSetup:
    """What is done to every image."""

    segmenter: Segmenter
    legend: Legend
    corruptions: Sequence[Corruption]
    side: int
    """Longest side in pixels of the images that are corrupted; larger photographs are scaled down."""
    seed: int


@dataclass(frozen=True, slots=True)
class CorruptionResult:
    """What became of one image."""

    name: str
    counts: Int64
    """(corruptions and their levels, 3, classes) of `count_kept`."""
    shown: tuple[Rgb, ...] = ()
    """If wanted: the image and all corrupted ones under their own masks, small."""


def choose_images(images: int, wanted: int, *, seed: int) -> list[int]:
    """Indices of so many images, spread over the corpus: one drawn from each of `wanted` equal parts; 0 is all."""
    if not 0 < wanted < images:
        return list(range(images))
    ends = np.linspace(0, images, wanted + 1).astype(int)
    rng = np.random.default_rng(seed)
    return [int(rng.integers(first, last)) for first, last in pairwise(ends)]


def read_picture(corpus: Corpus, index: int, *, side: int, seed: int) -> tuple[Rgb, Bools | None]:
    """What of an image is corrupted: all of it, at most `side` pixels long, or one of its windows at full size.

    Where the run looks at an image as a whole, so does this. Where it looks through overlapping windows, one of them
    is drawn by the seed: the classes are made of its own features, not blended with those of its neighbors.

    Returns:
        (H, W, 3) and (H, W), False where it holds no image, or None.

    Raises:
        CorpusError: the file is gone or has changed.
    """
    image, rows = corpus.images[index], corpus.crops_of[index]
    row = rows[int(np.random.default_rng([seed, index]).integers(len(rows)))]
    box = corpus.crops[row].box
    with open_original(corpus, image) as read:
        pixels = read(box)
    if box == Box(0, 0, image.size.height, image.size.width) and not image.mosaic:
        return CropResize(resize=side).apply(pixels.rgb, pixels.valid)
    return pixels.rgb, pixels.valid


def corrupt_and_segment(setup: CorruptionSetup, corpus: Corpus, index: int, *, show: bool) -> CorruptionResult:
    """Corrupt one image in every way, and count what of its mask stays the same.

    Raises:
        CorpusError: the file is gone or has changed.
        MachineError: the network's features of it are not finite.
    """
    name, legend = corpus.images[index].id, setup.legend
    rgb, valid = read_picture(corpus, index, side=setup.side, seed=setup.seed)
    before = legend.read(segment_picture(setup.segmenter, rgb, valid, name=name))
    counts, shown = [], [_small(rgb, before, legend)] if show else []
    for corruption in setup.corruptions:
        for level in corruption.levels:
            found = corrupt(corruption, rgb, level, seed=setup.seed, image=index)
            there = _valid_there(found, valid)
            picture = found.rgb if there is None else np.where(there[..., None], found.rgb, np.uint8(0))
            after = legend.read(segment_picture(setup.segmenter, picture, there, name=name))
            counted = _comparable(found, there)
            same_place = warp_back(after, found.back, nearest=True)
            counts.append(count_kept(before, same_place, counted, classes=legend.classes))
            if show:
                shown.append(_small(picture, after, legend))
    return CorruptionResult(name, np.stack(counts), tuple(shown))


def _valid_there(found: CorruptedImage, valid: Bools | None) -> Bools | None:
    """Which pixels of the corrupted image hold image; None where all do."""
    if found.back is None:
        return valid
    shows = shows_image(found.back, *found.rgb.shape[:2])
    if valid is not None:
        shows &= warp_back(valid, inverse(found.back), nearest=True)
    return None if shows.all() else shows


def _comparable(found: CorruptedImage, there: Bools | None) -> Bools:
    """Which pixels of the image as it was both masks have an opinion on."""
    counted = visible_in_both(found.back, *found.rgb.shape[:2])
    if there is not None:
        counted &= warp_back(there, found.back, nearest=True)
    if found.touched is not None:
        counted &= ~found.touched
    return counted


def _small(rgb: Rgb, mask: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], legend: Legend) -> Rgb:
    return overlay(shrink(rgb, _SHOWN), shrink_mask(mask, _SHOWN), legend.colors, opacity=0.5)
