"""`segpipe probe IMAGES`: images are read once, seen as they are, then corrupted and measured one by one."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box, Size
from segpipe.base.parallel import thread_map, torch_alone
from segpipe.base.runtime import Runtime
from segpipe.base.temporary import temporary_folder
from segpipe.commands.probe import metrics, names
from segpipe.commands.probe.measures import (
    DatasetMeans,
    ImageMeasures,
    MeasureKey,
    ProbePlan,
    count_views,
    measure_image,
)
from segpipe.commands.probe.metrics import Pair
from segpipe.images.label_masks import photographs
from segpipe.images.listing import Listing, list_images
from segpipe.images.sources import ImageSource, SourceImage, VideoSource
from segpipe.images.transform import CropResize
from segpipe.images.video import is_video
from segpipe.inference.backbone_view import BackboneView, PatchView
from segpipe.plots.html import duration
from segpipe.records.corpus import Rejected
from segpipe.records.finding import Finding

Rgb = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]

DRAWS = 1000
"""Samples of the bootstrap."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SquareImages:
    """The images that are probed, on disk: squares of one size."""

    pixels: npt.NDArray[np.uint8]
    """(n, length, length, 3), mapped from a file."""
    names: tuple[str, ...]
    index: tuple[int, ...]
    """The place of each in the listing: what is left to chance follows from it."""
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe of images has found."""

    findings: tuple[Finding, ...]
    by_place: Float64 | None
    """(side, side), mean over images of how much is looked at each place, in multiples of an even map."""
    squares: SquareImages
    seconds: float


def square_side(size: int, patch: int) -> int:
    """Patches along the side of a frame of about `size` pixels: a multiple of four, so that quarters are whole patches.

    >>> square_side(256, 16), square_side(256, 14), square_side(100, 32)
    (16, 20, 4)
    """
    return 4 * max(1, round(size / (4 * patch)))


@contextmanager
def open_squares(images: str, *, length: int, count: int, seed: int, runtime: Runtime) -> Iterator[SquareImages]:
    """Read images: the middle square of each, scaled to `length` pixels.

    Args:
        images: a folder, a file, a glob, a list of paths, or a video.
        length: pixels of a side.
        count: how many at most: drawn from a folder, spread evenly over a video.
        seed: of the draw.
        runtime: workers and progress.

    Yields:
        The squares, as long as the block lasts.

    Raises:
        UsageError: there is no such file or folder.
        CorpusError: not one image could be used.
    """
    entries, index, total, listed = _source(images, count, seed, runtime)
    with temporary_folder() as home:
        pixels = np.memmap(home / "frames", np.uint8, "w+", shape=(total, length, length, 3))
        titles: list[str] = []
        kept: list[int] = []
        rejected = list(listed)
        for at, entry in zip(index, runtime.track(entries, total=total, unit="images read"), strict=False):
            square = _square(entry, length) if isinstance(entry, SourceImage) else entry
            if isinstance(square, Rejected):
                rejected.append(square)
                continue
            pixels[len(titles)] = square
            titles.append(entry.name if isinstance(entry, SourceImage) else "")
            kept.append(at)
        if not titles:
            reasons = "".join(f"; {entry.path}: {entry.reason}" for entry in rejected[:3])
            raise CorpusError(f"{images}: not one picture could be used{reasons}; name others")
        yield SquareImages(pixels[: len(titles)], tuple(titles), tuple(kept), tuple(rejected))


def _source(
    images: str, count: int, seed: int, runtime: Runtime
) -> tuple[Iterable[SourceImage | Rejected], Sequence[int], int, Sequence[Rejected]]:
    """Images, their places in the listing, how many to expect at most, and what was rejected in listing them."""
    path = Path(images)
    if is_video(path) and path.is_file():
        return VideoSource(path, CropResize()).sample(count), range(count), count, ()
    listing = photographs(list_images(images))
    order = np.random.default_rng(seed).permutation(len(listing.paths))
    chosen = sorted(int(i) for i in order[:count])
    some = Listing(listing.root, tuple(listing.paths[i] for i in chosen), ())
    return ImageSource(some, CropResize(), workers=runtime.workers), chosen, len(chosen), listing.rejected


def _square(image: SourceImage, length: int) -> Rgb | Rejected:
    height, width = image.size.height, image.size.width
    side = min(height, width)
    box = Box((height - side) // 2, (width - side) // 2, side, side)
    rgb, valid = CropResize(box, Size(length, length)).apply(image.rgb, image.valid)
    return rgb if valid is None else Rejected(image.name, "its middle square holds pixels without image")


def measure_images(squares: SquareImages, plan: ProbePlan, runtime: Runtime) -> ProbeResult:
    """Measure every image, and put the numbers together.

    What is held at a time: what is seen of a corruption's levels in `lanes` images, and every image's numbers.
    """
    started, count = time.monotonic(), len(squares.names)
    views = count_views(plan)
    numbers: dict[MeasureKey, list[Pair]] = defaultdict(list)
    place: list[Float64] = []
    with threadpool_limits(1), torch_alone() if runtime.device == "cpu" else nullcontext():
        means = dataset_means(squares.pixels, plan.view)
        expected = (time.monotonic() - started) / count * views * count
        _log.info("%d images x %d views: %d forward passes, about %s", count, views, count * views, duration(expected))

        def one(row: int) -> ImageMeasures:
            other = np.array(squares.pixels[(row + 1) % count]) if count > 1 else None
            return measure_image(np.array(squares.pixels[row]), other, squares.index[row], row, plan, means)

        done = thread_map(one, range(count), workers=plan.view.lanes, ahead=plan.view.lanes)
        for found in runtime.track(done, total=count, unit="images"):
            for key, pair in found.numbers.items():
                numbers[key].append(pair)
            if found.by_place is not None:
                place.append(found.by_place)
    findings = tuple(aggregate(numbers, plan))
    return ProbeResult(findings, np.mean(place, axis=0) if place else None, squares, time.monotonic() - started)


def dataset_means(pixels: npt.NDArray[np.uint8], view: BackboneView) -> DatasetMeans:
    """Means over every original image (n, length, length, 3)."""
    vectors, total, patches = [], None, 0

    def see_one(row: int) -> PatchView:
        return view.patch_views([np.array(pixels[row])])[0]

    for seen in thread_map(see_one, range(len(pixels)), workers=view.lanes, ahead=2 * view.lanes):
        part = seen.patches.sum(axis=(0, 1), dtype=np.float64)
        total = part if total is None else total + part
        patches += seen.map.size
        vectors.append(seen.vector)
    assert total is not None, "there is a picture"
    stacked = np.stack(vectors)
    mean = stacked.mean(axis=0) if len(stacked) > 1 else np.zeros_like(stacked[0])  # from itself it has no direction
    return DatasetMeans((total / patches).astype(np.float32), mean, metrics.directions(stacked, mean))


def aggregate(numbers: Mapping[MeasureKey, Sequence[Pair]], plan: ProbePlan) -> Iterator[Finding]:
    """A finding for everything that was measured, with its interval over images."""
    known = {each.name: (each.family, each.unit) for each in plan.corruptions}
    known |= {names.in_strip(each.name): (each.family, each.unit) for each in plan.artefacts}
    known |= {
        names.ROLL: ("place", "of the side"),
        names.ALL_ROLLS: ("place", "rolls"),
        names.HALF_BLUR: ("focus", plan.blur.unit if plan.blur else ""),
        names.CROP: ("artefact", "of the height cropped away"),
        names.ANOTHER: ("reference", ""),
    }
    for key, pairs in numbers.items():
        found = metrics.bootstrap_ratio(pairs, draws=DRAWS, seed=plan.seed, ends=names.ENDS[key.measure])
        value, low, high, images = found or (None, None, None, 0)
        family, unit = known[key.corruption]
        low, high = (None if end is None or math.isnan(end) else end for end in (low, high))
        yield Finding(key.corruption, family, float(key.level), unit, key.measure, value, low, high, images)
