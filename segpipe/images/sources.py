"""Images that belong to no run, one after the other: the files of a folder, or the frames of a video.

`attend` and `probe` read through a `MediaSource`; runs read through their corpus (`images.corpus_reader`). Nobody has
looked at these files before, so all of them are decoded in guarded processes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import attrgetter, methodcaller
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Size
from segpipe.base.guarded import Gone, Guards
from segpipe.base.parallel import read_ahead, thread_map
from segpipe.images.decoding import memory_for
from segpipe.images.guarded_video import ask_there, frames_there, opened_there
from segpipe.images.headers import BadImage
from segpipe.images.listing import Listing, make_ids
from segpipe.images.single import MAX_PIXELS, read_single
from segpipe.images.transform import CropResize
from segpipe.images.video import Frame, VideoReader, sample_frames
from segpipe.records.corpus import Rejected

_DRIFT = 0.5  # seconds
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image or frame, cropped and resized."""

    name: str
    """Unique; what is written of it is named by it. POSIX separators, no ending."""
    rgb: npt.NDArray[np.uint8]
    """(H, W, 3)"""
    valid: npt.NDArray[np.bool_] | None
    """(H, W), False where there is no image; None where all pixels hold image."""
    seconds: float = 0.0
    """When it is shown, of a frame of a video, by the file's own time stamps; 0 elsewhere."""

    @property
    def size(self) -> Size:
        """Height and width."""
        return Size(*self.rgb.shape[:2])


class MediaSource(Protocol):
    """Images in order. Holds a bounded number of them, however many there are."""

    unit: str
    """What they are called, in the plural."""
    fps: float
    """Frames a second; 0 where there is no such thing."""

    def __len__(self) -> int:
        """How many to expect; 0 where that is not known."""
        ...

    def __iter__(self) -> Iterator[SourceImage | Rejected]:
        """Every image, or why it is left out."""
        ...

    def sample(self, count: int) -> Iterator[SourceImage]:
        """About `count` of them, spread evenly; those that cannot be used are left out."""
        ...


class ImageSource:
    """Image files."""

    unit = "images"
    fps = 0.0

    def __init__(self, listing: Listing, transform: CropResize, *, workers: int, chosen: slice = slice(None)) -> None:
        """Those of the listing at the places `chosen`."""
        self.root, self.transform, self.workers = listing.root, transform, workers
        self.files = list(zip(listing.paths, make_ids(listing.paths), strict=True))[chosen]

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[SourceImage | Rejected]:
        return self._read(self.files)

    def sample(self, count: int) -> Iterator[SourceImage]:
        """Read some of them."""
        step = max(1, len(self.files) // count)
        for image in self._read(self.files[step // 2 :: step][:count]):
            if isinstance(image, SourceImage):
                yield image

    def _read(self, files: Sequence[tuple[str, str]]) -> Iterator[SourceImage | Rejected]:
        with Guards(memory_for(MAX_PIXELS)) as guards:

            def read(file: tuple[str, str]) -> SourceImage | Rejected:
                try:
                    return guards.call(_read, file, self.root, self.transform)
                except Gone as gone:
                    return Rejected(file[0], str(gone))

            workers = max(1, min(self.workers, len(files)))
            yield from thread_map(read, files, workers=workers, ahead=2 * workers)


def in_frame_order(listing: Listing) -> Listing:
    """The files sorted as people number frames: frame9 before frame10."""
    paths = sorted(
        listing.paths, key=lambda path: [(int(n or -1), text) for n, text in re.findall(r"(\d*)(\D+)", path)]
    )
    return Listing(listing.root, tuple(paths), listing.rejected)


def _read(file: tuple[str, str], root: Path, transform: CropResize) -> SourceImage | Rejected:
    path, name = file
    try:
        pixels = read_single(root / path)
    except BadImage as error:
        return Rejected(path, error.reason)
    try:
        return SourceImage(name, *transform.apply(pixels.rgb, pixels.valid))
    except ValueError as error:
        return Rejected(path, str(error))


def warn_of_drift(path: Path, fps: float, frame: int, seconds: float) -> None:
    """Say that a film has no even frame rate, by its last frame: what is made of it has even steps."""
    if fps and abs(seconds - frame / fps) > _DRIFT:
        _log.warning(
            "%s has no even frame rate: frame %d is shown at %.1f s, by its mean rate of %.2f at %.1f s; a "
            "video made of it has even steps",
            *(path, frame, seconds, fps, frame / fps),
        )


class VideoSource:
    """The frames of a video, decoded by a thread of its own."""

    unit = "frames"

    def __init__(self, path: Path, transform: CropResize, *, start: int = 0, stop: int | None = None) -> None:
        """Frames `start` up to and without `stop`.

        Raises:
            BadVideo: it cannot be opened, or holds no frame.
            UsageError: the transform does not fit its frames.
        """
        self.path, self.transform = path, transform
        self._open = partial(VideoReader, path, start=start, stop=stop)
        with opened_there(self.path, self._open) as guard:
            facts = attrgetter("info", "start", "stop"), methodcaller("__len__")
            (self.info, self.start, self.stop), length = (ask_there(guard, fact) for fact in facts)
        self.fps, self._length = self.info.fps, int(length)
        problem = transform.misfit(Size(self.info.height, self.info.width))
        if problem:
            raise UsageError(f"{path}: {problem}")

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[SourceImage | Rejected]:
        last = None
        with opened_there(self.path, self._open) as guard:
            for frame in read_ahead(frames_there(guard), ahead=4):
                yield self._image(frame)
                last = frame.index, frame.seconds
            shortfall, decoded = (ask_there(guard, fact) for fact in (methodcaller("shortfall"), attrgetter("decoded")))
        if shortfall or last is None:
            beyond = f"frame {self.start} lies beyond its end, {decoded} could be read"
            yield Rejected(self.path.name, shortfall or beyond)
        else:
            warn_of_drift(self.path, self.fps, *last)

    def sample(self, count: int) -> Iterator[SourceImage]:
        """Decode some, jumping."""
        some = partial(sample_frames, self.path, count, start=self.start, stop=self.stop)
        with opened_there(self.path, some) as guard:
            for frame in islice(frames_there(guard), count):
                yield self._image(frame)

    def _image(self, frame: Frame) -> SourceImage:
        return SourceImage(f"{self.path.stem}/{frame.index:06}", *self.transform.apply(frame.rgb, None), frame.seconds)
