"""The frames of a film as objects are followed through them: of one size, each with whether a scene begins with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.images.frames import difference, look_of
from segpipe.images.numbered_frames import (
    NumberedFrame,
    NumberedFrames,
    check_range,
    count_digits,
    of_one_size,
    open_frames,
)
from segpipe.records.corpus import Rejected

FPS = 25.0
"""Frames a second of a folder that does not say."""


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One frame of the film."""

    number: int
    """As of `NumberedFrame.index`."""
    name: str
    seconds: float
    rgb: npt.NDArray[np.uint8]
    """(H, W, 3)"""
    cut: bool
    """Whether a scene begins with it."""


@dataclass(frozen=True, slots=True)
class Footage:
    """The frames of a film in order; those that cannot be used come as `Rejected`. Holds a few at a time."""

    frames: NumberedFrames
    start: int
    """The first frame that is wanted."""
    cuts: float
    """A scene begins where two frames differ by so much or more; 0: never."""
    fps: float
    """Frames a second."""

    def __len__(self) -> int:
        """How many frames to expect; 0 where that is not known."""
        return max(0, len(self.frames) - self.start)

    @property
    def digits(self) -> int:
        """Of frame numbers in file names, so that names sort as frames follow each other."""
        return count_digits(len(self.frames))

    def __iter__(self) -> Iterator[FilmFrame | Rejected]:
        """Read.

        Raises:
            BadVideo: the film can no longer be opened.
        """
        before: npt.NDArray[np.int16] | None = None
        for frame in of_one_size(self.frames.read(self.start)):
            if isinstance(frame, Rejected):
                yield frame
                continue
            look = look_of(frame.rgb) if self.cuts else None
            cut = look is not None and before is not None and difference(look, before) >= self.cuts
            before = look
            yield FilmFrame(frame.index, frame.name, self._seconds(frame), frame.rgb, cut)

    def _seconds(self, frame: NumberedFrame) -> float:
        return frame.index / self.fps if frame.seconds is None else frame.seconds


def open_footage(
    video: str, *, frames: tuple[int, int] | None, cuts: float, fps: float | None, workers: int
) -> Footage:
    """Open a film or a folder of frames.

    Raises:
        UsageError: no such file or folder, or it has none of the frames asked for.
        BadVideo: a film that cannot be opened.
        CorpusError: a folder of which no image can be read.
    """
    start, stop = frames or (0, None)
    found = open_frames(video, workers=workers, stop=stop)
    check_range(found, video, start, stop)
    return Footage(found, start, cuts, fps or found.fps or FPS)
