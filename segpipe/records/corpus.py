"""The corpus: images found once, and the crops of them that the network sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.geometry import Box, Size
from segpipe.records.geo import Geo
from segpipe.records.view import PLAIN, View, limits_of, scales_of

_GROUP = 4  # windows along the side of a group of a mosaic
_TAKE = 10.0  # seconds of a video that count as one take
_TAKES = 8  # shots of a video at least, if it has as many frames


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """Which frame of which video an image is."""

    video: str
    """Path of the video relative to the corpus root, POSIX separators, with the ending."""
    index: int
    """Of the frame, counted from 0 over all frames of the video."""
    seconds: float
    """When it is shown, from the start of the video."""
    lasts: float
    """Seconds until the next frame that was taken, or the end of the video."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image file that was opened and checked."""

    id: str
    """Path relative to the corpus root, POSIX separators, without the ending; unique. Masks are named by it.

    That of a frame is the path of its video, with the ending, and its number: `dive.mp4/000123`.
    """
    path: str
    """Path relative to the corpus root, of a frame to the folder of frames; POSIX separators, with the ending."""
    size: Size
    """Displayed size: EXIF rotation applied."""
    depth: str
    """Sample type: `uint8`, `uint16` or `float32`. Deeper ones are scaled to 8 bits by the corpus's `scaling`."""
    sha256: str
    """Fingerprint of the file's bytes, hexadecimal."""
    bytes: int
    """File size."""
    geo: Geo | None = None
    """Where its pixels lie on the earth, if the file says so."""
    gps: tuple[float, float] | None = None
    """Latitude and longitude of the camera in degrees (WGS 84), if the photograph's EXIF data say so."""
    mosaic: bool = False
    """Whether it is never decoded as a whole: read box by box, its mask lies in tiles."""
    moment: FrameInfo | None = None
    """Where it comes from, if it is a frame of a video."""
    view: View = PLAIN
    """How its samples are looked at, if it is a raster."""
    levels: tuple[float, float] | None = None
    """Percentiles 0.5 and 99.5 of its values, if they are deeper than 8 bits."""
    notes: tuple[str, ...] = ()
    """What a person is to be told of how it was read."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A box of one image: one row of the feature store. Crops are boxes, never files."""

    image: int
    """Index into `Corpus.images`."""
    box: Box


SLIVER = 8
"""Pixels: half a patch of most networks."""


@dataclass(frozen=True)
class Corpus:
    """All images of a run in a fixed order, and their crops, those of one image next to each other."""

    root: Path
    images: tuple[Image, ...]
    crops: tuple[Crop, ...]
    scaling: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """For each depth but uint8: the values that become 0 and 255, fixed once for the whole corpus.

    Where images of one depth have values of more than ten times others', those have a scale of their own, whose name
    is in their `view`. Where images have channels, each channel of a depth has its own (`records.view.scales_of`).
    """
    bands: tuple[int, ...] = ()
    """The bands of TIFFs that are red, green and blue, counted from 1; one is repeated. Empty: the first ones."""
    corpus_dir: Path | None = field(default=None, compare=False)
    """The directory `corpus/` that it was read from: frames and the pictures of the mosaics' valid pixels lie there."""

    def __post_init__(self) -> None:
        ids = [image.id for image in self.images]
        if len(set(ids)) != len(ids):
            raise ValueError(f"corpus ids must be unique: {len(ids)} images, {len(set(ids))} ids")
        order = [crop.image for crop in self.crops]
        if order != sorted(order) or set(order) != set(range(len(ids))):
            raise ValueError("every image needs crops, ordered by image")
        missing = {name for image in self.images for name in scales_of(image.depth, image.view)} - set(self.scaling)
        if missing:
            raise ValueError(f"no scaling for {sorted(missing)}")
        if any(image.view.channels != self.channels for image in self.images):
            raise ValueError("all images of a corpus have the same channels")
        for crop in self.crops:
            size = self.images[crop.image].size
            if crop.box.top + crop.box.height > size.height or crop.box.left + crop.box.width > size.width:
                raise ValueError(f"{crop.box} reaches outside {self.images[crop.image].id} ({size})")

    def view(self, image: Image) -> View:
        """How the samples of an image are looked at, with the bands that all images share."""
        return replace(image.view, bands=image.view.bands or self.bands)

    def limits(self, image: Image) -> tuple[Any, Any]:
        """The values of an image that become 0 and 255: two numbers, or two arrays (channels,)."""
        return limits_of(image.depth, image.view, self.scaling)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of what is looked at of every image, where that is not red, green and blue, or gray; else empty."""
        return self.images[0].view.channels if self.images else ()

    def path(self, image: Image) -> Path:
        """Where the image file lies; that of a frame is the copy that `index` made of it."""
        if image.moment is None:
            return self.root / image.path
        assert self.corpus_dir is not None
        return frame_path(self.corpus_dir, image.id)

    def valid_path(self, image: Image) -> Path:
        """Where the picture of a mosaic's valid pixels lies."""
        assert self.corpus_dir is not None
        return valid_path(self.corpus_dir, image.id)

    @cached_property
    def slivers(self) -> frozenset[int]:
        """Crops so narrow that a network sees nothing but streaks in them; none where all are.

        They have masks like all others, but no say in which classes there are.
        """
        found = frozenset(i for i, crop in enumerate(self.crops) if min(crop.box.height, crop.box.width) < SLIVER)
        return found if len(found) < len(self.crops) else frozenset()

    @cached_property
    def crops_of(self) -> tuple[range, ...]:
        """For each image the range of its crops' indices."""
        starts = [0] * (len(self.images) + 1)
        for crop in self.crops:
            starts[crop.image + 1] += 1
        for i in range(len(self.images)):
            starts[i + 1] += starts[i]
        return tuple(range(starts[i], starts[i + 1]) for i in range(len(self.images)))

    @cached_property
    def shots(self) -> npt.NDArray[np.int64]:
        """(images,) the same number for frames that were taken one soon after the other, which show nearly the same.

        A photograph or mosaic is a shot. A video is cut into shots of ten seconds, a short one into eight.
        """
        films: dict[str, list[FrameInfo]] = {}
        for image in self.images:
            if image.moment is not None:
                films.setdefault(image.moment.video, []).append(image.moment)
        lengths = {
            video: min(_TAKE, (frames[-1].seconds + frames[-1].lasts - frames[0].seconds) / _TAKES)
            for video, frames in films.items()
        }
        numbers: dict[tuple[str, int], int] = {}
        found = []
        for i, image in enumerate(self.images):
            key, moment = ("", i), image.moment
            if moment is not None and lengths[moment.video] > 0:
                start = films[moment.video][0].seconds
                key = (moment.video, int((moment.seconds - start) / lengths[moment.video]))
            found.append(numbers.setdefault(key, len(numbers)))
        return np.array(found, np.int64)

    @cached_property
    def groups(self) -> npt.NDArray[np.int64]:
        """(crops,) group of each crop: similar patches of two groups do not show the same thing twice.

        A photograph is a group; a mosaic has many, squares of four windows; those of a video are its `shots`.
        """
        numbers: dict[tuple[int, ...], int] = {}
        shots = self.shots.tolist()
        keys = (_group_of(crop, self.images[crop.image], shots[crop.image]) for crop in self.crops)
        return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _group_of(crop: Crop, image: Image, take: int) -> tuple[int, ...]:
    if not image.mosaic:
        return (take,)
    cell = _GROUP * max(crop.box.height, crop.box.width)
    return take, crop.box.top // cell, crop.box.left // cell


def frame_path(corpus_dir: Path, image_id: str) -> Path:
    """Where under the directory `corpus/` the picture of a frame lies."""
    return files.inside(corpus_dir / "frames", f"{image_id}.png")


def valid_path(corpus_dir: Path, image_id: str) -> Path:
    """Where under the directory `corpus/` the picture of a mosaic's valid pixels lies."""
    return files.inside(corpus_dir / "valid", f"{image_id}.tif")


GONE = "there is no such file"
"""The reason of a listed file that was not there when it was to be opened; on another machine, or later, it may be."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that was skipped, and why."""

    path: str
    reason: str
