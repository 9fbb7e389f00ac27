"""Which frames of a video become images: every n-th, or one wherever the scene changes; and frames as PNG files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Size
from segpipe.images.video import BadVideo, Frame, Rgb, VideoReader

_SIDE = 256  # pixels along the longer side of what scenes are distinguished by
_LEAST = 0.5  # seconds of a scene: a flash is none
_USUAL = 5.0  # seconds of a scene, where something must be expected
_COMPRESSION = 1  # of PNG: see `write_frame`


@dataclass(frozen=True, slots=True)
class Choice:
    """Which frames are taken."""

    every: int = 0
    """Every n-th; 0: by `seconds`."""
    seconds: float = 0.0
    """One every so many, by time stamps; 0, and `every` too: one a second, and with `scenes` none but theirs."""
    scenes: float = 0.0
    """By how much two frames differ where the scene changes, as of `difference`; 0: scenes do not matter."""
    start: int = 0
    """The first frame that is looked at."""
    stop: int | None = None
    """The frame before which the last one lies."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame that was taken."""

    frame: Frame
    lasts: float
    """Seconds until the next one, or the end of the video."""


class FrameTaker:
    """The chosen frames of a video in order; iterate once. Holds two of them at a time, whatever its length."""

    def __init__(self, path: Path, choice: Choice) -> None:
        """Open the video.

        Raises:
            BadVideo: as `probe_video`, or it does not say its frame rate, by which one frame a second would be taken.
        """
        self._reader = VideoReader(path, start=choice.start, stop=choice.stop)
        info = self._reader.info
        self.size = Size(info.height, info.width)
        self._fps, self._scenes = info.fps, choice.scenes
        self._every = choice.every
        seconds = choice.seconds or (0.0 if self._scenes else 1.0)
        if not self._every and seconds:
            if not self._fps:
                reason = (
                    "does not say how many frames it has a second; choose every n-th frame, such as index.frame_step=25"
                )
                raise BadVideo(path, reason)
            self._every = max(1, round(seconds * self._fps))  # about, where the rate varies
            self._reader.seconds = 0.0 if self._scenes else seconds
        self._reader.step = 1 if self._scenes else self._every

    def __len__(self) -> int:
        """About how many frames to expect; 0 where the file does not say."""
        usual = self._every or max(1, round(_USUAL * self._fps))
        return -(-len(self._reader) // usual) if self._scenes else len(self._reader)

    @property
    def decodes(self) -> int:
        """About how many frames will be decoded."""
        frames, stop = self._reader.info.frames, self._reader.stop
        return frames if stop is None else min(stop, frames)

    @property
    def digits(self) -> int:
        """Of frame numbers, so that names sort as frames follow each other."""
        return max(6, len(str(self._reader.info.frames)))

    def __iter__(self) -> Iterator[Taken]:
        """Decode.

        Raises:
            BadVideo: the file can no longer be opened.
        """
        last: Frame | None = None
        lasts = 1.0  # where nothing says better
        for frame in self._changes() if self._scenes else self._reader:
            if last is not None:
                lasts = max(0.0, frame.seconds - last.seconds)
                yield Taken(last, lasts)
            last = frame
        if last is not None:
            yield Taken(last, self._rest(last.seconds, lasts))

    def _rest(self, seconds: float, before: float) -> float:
        """How long the last frame that was taken lasts, which is shown at `seconds`; the one before lasted `before`."""
        if not self._fps:
            return before
        even, step = self._reader.decoded / self._fps, 1 / self._fps
        end = even if abs(self._reader.end - even) <= step else self._reader.end
        return max(end - seconds, step)

    def shortfall(self) -> str:
        """After the last frame: why there were none, or fewer than the file promised; empty where all came."""
        reader = self._reader
        if reader.decoded <= reader.start:
            return f"frame {reader.start} lies beyond its end, {reader.decoded} could be read"
        missing = reader.shortfall()
        return f"taken up to frame {reader.decoded - 1}: {missing}" if missing else ""

    def _changes(self) -> Iterator[Frame]:
        """The first frame, those where another scene begins and, where wanted, every n-th after each of them."""
        least = max(1, round(_LEAST * self._fps))
        before: npt.NDArray[np.int16] | None = None
        last = -1
        for frame in self._reader:
            look = look_of(frame.rgb)
            changed = before is None or difference(look, before) >= self._scenes
            before = look
            since = frame.index - last
            if last < 0 or (changed and since >= least) or (self._every and since >= self._every):
                last = frame.index
                yield frame


def look_of(rgb: Rgb) -> npt.NDArray[np.int16]:
    """A frame (H, W, 3), small, as hue (0 to 179), saturation and value (0 to 255): (h, w, 3)."""
    height, width = rgb.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    fitting = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(rgb, fitting, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2HSV), np.int16)


def difference(one: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> float:
    """How unlike two looks are: the mean absolute difference of hue, saturation and value, the three averaged.

    It is the score of the content detector of PySceneDetect (scenedetect.com, `ContentDetector` with its default
    weights), which finds a cut from 27 on.
    """
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one - other).mean())


def write_frame(path: Path, rgb: Rgb) -> bytes:
    """Write a frame (H, W, 3) as PNG, without loss; folders are made. Returns the file's bytes.

    Raises:
        OSError: there is no room.
    """
    done, png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
    if not done:
        raise ValueError(f"a frame of shape {rgb.shape} cannot be encoded")
    content = png.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content
