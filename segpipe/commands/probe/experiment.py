"""`segpipe probe IMAGES`: pictures are read once, seen undisturbed, then disturbed and measured one by one."""

from __future__ import annotations

import logging
import math
import tempfile
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
from segpipe.commands.probe import measures as probing
from segpipe.commands.probe import metrics as ops
from segpipe.commands.probe import names
from segpipe.commands.probe.measures import Key, Means, Probe, Probed, probe_picture
from segpipe.commands.probe.metrics import Pair
from segpipe.images.listing import Listing, list_images
from segpipe.images.sources import ImageSource, VideoSource, View
from segpipe.images.transform import Framing
from segpipe.images.video import is_video
from segpipe.inference.backbone_view import Seer, Sight
from segpipe.plots.html import duration
from segpipe.records.corpus import Rejected
from segpipe.records.finding import Finding

Rgb = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]

DRAWS = 1000
"""Samples of the bootstrap."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Frames:
    """The pictures that are probed, on disk: squares of one size."""

    pixels: npt.NDArray[np.uint8]
    """(n, length, length, 3), mapped from a file."""
    names: tuple[str, ...]
    index: tuple[int, ...]
    """The place of each in the listing: what is left to chance follows from it."""
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True)
class Probings:
    """What a probe of pictures has found."""

    findings: tuple[Finding, ...]
    by_place: Float64 | None
    """(side, side), mean over pictures of how much is looked at each place, in multiples of an even map."""
    frames: Frames
    seconds: float


def frame_side(size: int, patch: int) -> int:
    """Patches along the side of a frame of about `size` pixels: a multiple of four, so that quarters are whole patches.

    >>> frame_side(256, 16), frame_side(256, 14), frame_side(100, 32)
    (16, 20, 4)
    """
    return 4 * max(1, round(size / (4 * patch)))


@contextmanager
def open_frames(images: str, *, length: int, count: int, seed: int, runtime: Runtime) -> Iterator[Frames]:
    """Read pictures: the middle square of each, scaled to `length` pixels.

    Args:
        images: a folder, a file, a glob, a list of paths, or a video.
        length: pixels of a side.
        count: how many at most: drawn from a folder, spread evenly over a video.
        seed: of the draw.
        runtime: workers and progress.

    Yields:
        The frames, as long as the block lasts.

    Raises:
        UsageError: there is no such file or folder.
        CorpusError: not one picture could be used.
    """
    entries, index, total, listed = _source(images, count, seed, runtime)
    with tempfile.TemporaryDirectory() as home:
        pixels = np.memmap(Path(home) / "frames", np.uint8, "w+", shape=(total, length, length, 3))
        titles: list[str] = []
        kept: list[int] = []
        rejected = list(listed)
        for at, entry in zip(index, runtime.track(entries, total=total, unit="images read"), strict=False):
            square = _square(entry, length) if isinstance(entry, View) else entry
            if isinstance(square, Rejected):
                rejected.append(square)
                continue
            pixels[len(titles)] = square
            titles.append(entry.name if isinstance(entry, View) else "")
            kept.append(at)
        if not titles:
            reasons = "".join(f"; {entry.path}: {entry.reason}" for entry in rejected[:3])
            raise CorpusError(f"{images}: not one picture could be used{reasons}; name others")
        yield Frames(pixels[: len(titles)], tuple(titles), tuple(kept), tuple(rejected))


def _source(
    images: str, count: int, seed: int, runtime: Runtime
) -> tuple[Iterable[View | Rejected], Sequence[int], int, Sequence[Rejected]]:
    """Pictures, their places in the listing, how many to expect at most, and what was put aside in listing them."""
    path = Path(images)
    if is_video(path) and path.is_file():
        return VideoSource(path, Framing()).sample(count), range(count), count, ()
    listing = list_images(images)
    order = np.random.default_rng(seed).permutation(len(listing.paths))
    chosen = sorted(int(i) for i in order[:count])
    some = Listing(listing.root, tuple(listing.paths[i] for i in chosen), ())
    return ImageSource(some, Framing(), workers=runtime.workers), chosen, len(chosen), listing.rejected


def _square(view: View, length: int) -> Rgb | Rejected:
    height, width = view.size.height, view.size.width
    side = min(height, width)
    box = Box((height - side) // 2, (width - side) // 2, side, side)
    rgb, valid = Framing(box, Size(length, length)).apply(view.rgb, view.valid)
    return rgb if valid is None else Rejected(view.name, "its middle square holds pixels without image")


def probe_frames(frames: Frames, probe: Probe, runtime: Runtime) -> Probings:
    """Measure every picture, and put the numbers together.

    What is held at a time: what is seen of a disturbance's levels in `lanes` pictures, and every picture's numbers.
    """
    started, count = time.monotonic(), len(frames.names)
    views = probing.count_views(probe)
    numbers: dict[Key, list[Pair]] = defaultdict(list)
    place: list[Float64] = []
    with threadpool_limits(1), torch_alone() if runtime.device == "cpu" else nullcontext():
        means = survey(frames.pixels, probe.seer)
        expected = (time.monotonic() - started) / count * views * count
        _log.info("%d images x %d views: %d forward passes, about %s", count, views, count * views, duration(expected))

        def one(row: int) -> Probed:
            other = np.array(frames.pixels[(row + 1) % count]) if count > 1 else None
            return probe_picture(np.array(frames.pixels[row]), other, frames.index[row], row, probe, means)

        done = thread_map(one, range(count), workers=probe.seer.lanes, ahead=probe.seer.lanes)
        for found in runtime.track(done, total=count, unit="images"):
            for key, pair in found.numbers.items():
                numbers[key].append(pair)
            if found.by_place is not None:
                place.append(found.by_place)
    findings = tuple(put_together(numbers, probe))
    return Probings(findings, np.mean(place, axis=0) if place else None, frames, time.monotonic() - started)


def survey(pixels: npt.NDArray[np.uint8], seer: Seer) -> Means:
    """See every picture (n, length, length, 3) undisturbed."""
    vectors, total, patches = [], None, 0

    def see(row: int) -> Sight:
        return seer.see([np.array(pixels[row])])[0]

    for sight in thread_map(see, range(len(pixels)), workers=seer.lanes, ahead=2 * seer.lanes):
        part = sight.patches.sum(axis=(0, 1), dtype=np.float64)
        total = part if total is None else total + part
        patches += sight.map.size
        vectors.append(sight.vector)
    assert total is not None, "there is a picture"
    stacked = np.stack(vectors)
    mean = stacked.mean(axis=0) if len(stacked) > 1 else np.zeros_like(stacked[0])  # from itself it has no direction
    return Means((total / patches).astype(np.float32), mean, ops.directions(stacked, mean))


def put_together(numbers: Mapping[Key, Sequence[Pair]], probe: Probe) -> Iterator[Finding]:
    """A finding for everything that was measured, with its interval over pictures."""
    known = {each.name: (each.family, each.unit) for each in probe.disturbances}
    known |= {names.in_strip(each.name): (each.family, each.unit) for each in probe.artefacts}
    known |= {
        names.ROLL: ("place", "of the side"),
        names.ALL_ROLLS: ("place", "rolls"),
        names.HALF_BLUR: ("focus", probe.blur.unit if probe.blur else ""),
        names.CROP: ("artefact", "of the height cropped away"),
        names.ANOTHER: ("reference", ""),
    }
    for key, pairs in numbers.items():
        found = ops.over_pictures(pairs, draws=DRAWS, seed=probe.seed)
        value, low, high, images = found or (None, None, None, 0)
        family, unit = known[key.disturbance]
        low, high = (None if end is None or math.isnan(end) else end for end in (low, high))
        yield Finding(key.disturbance, family, float(key.level), unit, key.measure, value, low, high, images)
