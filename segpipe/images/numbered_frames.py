"""The frames of a film, or of a folder of frames, each with its number and its time: all of them, in order.

For commands that follow something through a film. Nobody has looked at these files before, so all of them are decoded
in guarded processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, methodcaller
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.files import digest
from segpipe.base.geometry import Size
from segpipe.base.parallel import read_ahead
from segpipe.images.guarded_video import ask_there, frames_there, opened_there
from segpipe.images.label_masks import photographs
from segpipe.images.listing import list_images
from segpipe.images.sources import ImageSource, SourceImage, in_frame_order, warn_of_drift
from segpipe.images.transform import CropResize
from segpipe.images.video import VideoReader, is_video, sample_frames
from segpipe.records.corpus import Rejected

_DIGITS = 6  # of frame numbers, at least
_AHEAD = 4  # frames decoded before they are asked for
_AS_IS = CropResize()


@dataclass(frozen=True, slots=True)
class NumberedFrame:
    """One frame."""

    index: int
    """Counted from 0 over all frames of the film, or files of the folder, also those that cannot be used."""
    name: str
    """Of its file without ending, for a folder; of the film and its number, for a film."""
    seconds: float | None
    """When it is shown, by the film's own time stamps; None of a folder."""
    rgb: npt.NDArray[np.uint8]
    """(H, W, 3), turned the way it is displayed; black where the file has no data."""

    @property
    def size(self) -> Size:
        """Height and width."""
        return Size(*self.rgb.shape[:2])


class NumberedFrames(Protocol):
    """Frames in order. Holds a bounded number of them, however many there are."""

    name: str
    """What it is called in messages."""
    size: Size
    """Of the first frame, pixels as displayed."""
    fps: float
    """Frames a second, the mean where the rate varies; 0 where it is not known."""
    counted: bool
    """Whether `len` is sure; else it is an estimate, 0 where there is none."""
    rejected: tuple[Rejected, ...]
    """What was listed and is no frame at all, with why."""

    def __len__(self) -> int:
        """How many frames there are before the last one that is wanted, those passed over at the start included."""
        ...

    def read(self, start: int) -> Iterator[NumberedFrame | Rejected]:
        """The frames from number `start` on; in the place of what cannot be read, why."""
        ...

    def sample(self, count: int) -> Iterator[npt.NDArray[np.uint8]]:
        """About `count` frames (H, W, 3), spread evenly."""
        ...

    def number_of(self, name: str) -> int | None:
        """The number of the frame whose file is called so, without ending; None where there is none."""
        ...

    def state(self) -> str:
        """A fingerprint of what is read: another one where files were changed."""
        ...


class FilmFrames:
    """The frames of a video file."""

    rejected: tuple[Rejected, ...] = ()

    def __init__(self, path: Path, *, stop: int | None = None) -> None:
        """Open it; frames from number `stop` on are not wanted.

        Raises:
            BadVideo: it cannot be opened, or holds no frame.
        """
        self.path, self.name, self._stop = path, path.name, stop
        with opened_there(self.path, partial(VideoReader, path, stop=stop)) as guard:
            info, length = ask_there(guard, attrgetter("info")), ask_there(guard, methodcaller("__len__"))
        self.size, self.fps, self.counted, self._length = Size(info.height, info.width), info.fps, info.counted, length

    def __len__(self) -> int:
        return int(self._length)

    def read(self, start: int) -> Iterator[NumberedFrame | Rejected]:
        """Decode; those before `start` are passed over."""
        last = None
        with opened_there(self.path, partial(VideoReader, self.path, start=start, stop=self._stop)) as guard:
            for frame in read_ahead(frames_there(guard), ahead=_AHEAD):
                yield NumberedFrame(frame.index, f"{self.path.stem}/{frame.index:06}", frame.seconds, frame.rgb)
                last = frame.index, frame.seconds
            shortfall = ask_there(guard, methodcaller("shortfall"))
        if shortfall:
            yield Rejected(self.name, shortfall)
        elif last is not None:
            warn_of_drift(self.path, self.fps, *last)

    def sample(self, count: int) -> Iterator[npt.NDArray[np.uint8]]:
        """Decode some, jumping."""
        with opened_there(self.path, partial(sample_frames, self.path, count, stop=self._stop)) as guard:
            for frame in frames_there(guard):
                yield frame.rgb

    def number_of(self, name: str) -> int | None:
        """Frames of a film have no names."""
        return None

    def state(self) -> str:
        """Of path, size and time of the file."""
        return _state([self.path])


class FolderFrames:
    """Image files as frames: frame9 before frame10."""

    fps, counted = 0.0, True

    def __init__(self, images: str, *, workers: int, stop: int | None = None) -> None:
        """List them.

        Args:
            images: a folder, a glob or a list of files.
            workers: threads that read.
            stop: frames from this number on are not wanted.

        Raises:
            CorpusError: there is none, or none can be read.
            UsageError: as `list_images`.
        """
        self._listing = in_frame_order(photographs(list_images(images)))
        self.rejected = self._listing.rejected
        self._workers, self._stop, self.name = workers, stop, images
        self._numbers: dict[str, int] = {}
        for number, path in enumerate(self._listing.paths):
            self._numbers.setdefault(Path(path).stem, number)
        first = next(self.sample(1), None)
        if first is None:
            raise CorpusError(f"not one of the {len(self)} images of {images} can be read; repair or replace them")
        self.size = Size(*first.shape[:2])

    def __len__(self) -> int:
        count = len(self._listing.paths)
        return count if self._stop is None else min(count, self._stop)

    def read(self, start: int) -> Iterator[NumberedFrame | Rejected]:
        """Read the files."""
        chosen = slice(start, self._stop)
        source = ImageSource(self._listing, _AS_IS, workers=self._workers, chosen=chosen)
        for number, entry in enumerate(source, start):
            yield entry if isinstance(entry, Rejected) else NumberedFrame(number, entry.name, None, _filled(entry))

    def sample(self, count: int) -> Iterator[npt.NDArray[np.uint8]]:
        """Read some; those that cannot be read are left out, and of one the first that can is taken."""
        if count == 1:
            yield from (entry.rgb for entry in self.read(0) if isinstance(entry, NumberedFrame))
            return
        source = ImageSource(self._listing, _AS_IS, workers=self._workers, chosen=slice(0, self._stop))
        yield from (image.rgb for image in source.sample(count))

    def number_of(self, name: str) -> int | None:
        """By the name of its file without ending."""
        return self._numbers.get(name)

    def state(self) -> str:
        """Of paths, sizes and times of all files."""
        return _state([self._listing.root / path for path in self._listing.paths])


def open_frames(film: str, *, workers: int, stop: int | None = None) -> NumberedFrames:
    """The frames of a video, or of a folder of frames.

    Raises:
        BadVideo: the video cannot be opened, or holds no frame.
        CorpusError: the folder holds no image.
        UsageError: there is no such file or folder.
    """
    path = Path(film).expanduser()
    if is_video(path) and not path.is_dir():
        return FilmFrames(path, stop=stop)
    return FolderFrames(film, workers=workers, stop=stop)


def of_one_size(
    entries: Iterable[NumberedFrame | Rejected], size: Size | None = None
) -> Iterator[NumberedFrame | Rejected]:
    """The same, with frames of another size than `size`, or where it is None than the first one, rejected."""
    for entry in entries:
        if isinstance(entry, NumberedFrame):
            size = size or entry.size
            if entry.size != size:
                reason = (
                    f"{entry.size.width} x {entry.size.height} pixels, the first frame has {size.width} x "
                    f"{size.height}; make them alike"
                )
                yield Rejected(entry.name, reason)
                continue
        yield entry


def check_range(frames: NumberedFrames, film: str, start: int, stop: int | None) -> None:
    """See that there is a frame from number `start` on, where that can be known.

    Raises:
        UsageError: there is none.
    """
    if frames.counted and len(frames) <= start:
        asked = f"{start} {'' if stop is None else stop}".strip()
        raise UsageError(f"{named('frames', asked)}: {film} holds {len(frames)} frames")


def _filled(image: SourceImage) -> npt.NDArray[np.uint8]:
    return image.rgb if image.valid is None else np.where(image.valid[..., None], image.rgb, np.uint8(0))


def count_digits(frames: int) -> int:
    """Of frame numbers in names, so that these sort as frames follow each other.

    >>> count_digits(300), count_digits(10_000_000)
    (6, 8)
    """
    return max(_DIGITS, len(str(frames)))


def _state(paths: list[Path]) -> str:
    facts = []
    for path in paths:
        stat = path.stat()
        facts.append([str(path.resolve()), stat.st_size, stat.st_mtime_ns])
    return digest(facts)
