"""Video files, frame by frame: read in order whatever the length, by OpenCV's own FFmpeg. Sound is not read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.guarded import SECONDS, allow
from segpipe.images.film_opening import ENDINGS, BadVideo, open_film, pixel_shape, squared
from segpipe.images.video_header import find_container, missing_bytes

__all__ = [
    "ENDINGS",
    "BadVideo",
    "Frame",
    "Rgb",
    "VideoInfo",
    "VideoReader",
    "is_video",
    "probe_video",
    "sample_frames",
]

_TOLERATED = 0.02  # share by which a header's count of frames may be off: containers without one are estimated
_FEW = 10_000  # frames that any file may hold; more only where it has as many bytes
_COUNTING = ("mov", "avi")  # containers whose header counts frames; the others' length in seconds is taken instead
_EARLY, _EARLY_SHARE = 2.0, 0.25  # seconds and share of a film that may be sound alone at its end
_FASTEST = 1000.0  # frames a second; more is a time base that stands where the rate should be

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video says of itself, and the size that its first frame has."""

    height: int
    """Pixels as displayed: the file's rotation is applied, and the shape of its pixels (see `squared`)."""
    width: int
    fps: float
    """Frames a second, the mean where the rate varies; 0 where the file does not say."""
    frames: int
    """As the header says or the length in seconds lets expect; 0 where neither is known."""
    counted: bool = True
    """Whether the header counts frames. Else `frames` is an estimate that is right for even steps alone."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a video."""

    index: int
    """Counted from 0 over all frames that can be decoded."""
    seconds: float
    """When it is shown, by the file's own time stamps: right also where the frame rate varies."""
    rgb: Rgb
    """(H, W, 3), turned the way it is displayed."""


def is_video(path: Path) -> bool:
    """Whether the ending is that of a video."""
    return path.suffix.lower() in ENDINGS


def probe_video(path: Path) -> VideoInfo:
    """Open a video and decode its first frame.

    Raises:
        BadVideo: no such file, of an unknown kind, cut short before its index, or without a frame.
    """
    with open_film(path) as capture:
        done, bgr = capture.read()
        if not done:
            raise BadVideo(path, "holds no frame that can be decoded")
        bgr = squared(bgr, pixel_shape(capture))
        fps, frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return VideoInfo(
            bgr.shape[0],
            bgr.shape[1],
            fps if math.isfinite(fps) and 0 < fps <= _FASTEST else 0.0,
            int(frames) if math.isfinite(frames) and frames > 0 else 0,
            find_container(path) in _COUNTING,
        )


class VideoReader:
    """The frames of a video in order; iterate once. Holds one frame at a time.

    Frames before `start` and between steps are decoded, not looked at and not converted: jumping by time stamps does
    not count frames exactly where the rate varies.
    """

    def __init__(
        self, path: Path, *, start: int = 0, stop: int | None = None, step: int = 1, seconds: float = 0
    ) -> None:
        """Frames `start`, `start + step` and so on, up to and without `stop`.

        With `seconds` above 0 not every `step`-th: the first, and each that is shown so long after the one before it,
        to the nearest frame.

        Raises:
            BadVideo: as `probe_video`.
        """
        self.path, self.start, self.step, self.seconds = path, start, step, seconds
        self.info = probe_video(path)
        self.stop = stop
        self._most = max(_FEW, path.stat().st_size)
        self.decoded = 0
        """How many frames were met so far, those passed over included."""
        self.end = 0.0
        """When the last of these ends, in seconds, if it lasts as long as the one before."""

    def __len__(self) -> int:
        """How many frames to expect; 0 where the file does not say."""
        last = self.info.frames if self.stop is None else min(self.stop, self.info.frames or self.stop)
        return max(0, -(-(last - self.start) // self.step))

    def __iter__(self) -> Iterator[Frame]:
        """Decode.

        Raises:
            BadVideo: the file can no longer be opened, or gives more frames than it can hold.
        """
        self.decoded, self.end = 0, 0.0
        before = last = -math.inf
        with open_film(self.path) as capture:
            aspect = pixel_shape(capture)
            while self.stop is None or self.decoded < self.stop:
                if not capture.grab():
                    return
                seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 or self.decoded / (self.info.fps or math.inf)
                self.end = seconds + (max(0.0, seconds - before) if self.decoded else 0.0)
                wanted = self.decoded >= self.start and self._is_due(self.decoded - self.start, seconds - last)
                before, last = seconds, seconds if wanted else last
                self.decoded += 1
                allow(SECONDS)  # in a guarded process: a frame may take that long, not the video
                if self.decoded > self._most:
                    raise BadVideo(self.path, f"gives more than {self._most} frames, more than its bytes can hold")
                if wanted:
                    done, bgr = capture.retrieve()
                    if not done:
                        return
                    yield Frame(self.decoded - 1, seconds, _rgb(bgr, aspect))

    def _is_due(self, index: int, since: float) -> bool:
        """Whether a frame is taken: its number from `start`, and seconds since the last that was taken."""
        if not self.seconds:
            return index % self.step == 0
        half = 0.5 / self.info.fps if self.info.fps else 0.0  # of even steps the nearest number of frames is taken
        return abs(since) >= self.seconds - half

    def shortfall(self) -> str:
        """After the last frame: why there were fewer than the file promised; empty where all came."""
        promised = self.info.frames if self.stop is None else min(self.stop, self.info.frames)
        missing = promised - self.decoded
        if self.info.counted and missing > max(2, _TOLERATED * promised):
            return f"{self.decoded} of {promised} frames could be read; the rest of the file is damaged or missing"
        lacking = 0 if self.stop is not None and self.decoded >= self.stop else missing_bytes(self.path)
        if lacking:
            return f"the file is cut short: at least {lacking} bytes are missing at its end"
        length = promised / self.info.fps if self.info.fps and not self.info.counted else 0.0
        if length - self.end > max(_EARLY, _EARLY_SHARE * length) and self.stop is None:
            return f"its frames end at {self.end:.1f} of {length:.1f} s; the rest is damaged, missing, or sound alone"
        return ""


def sample_frames(path: Path, count: int, *, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
    """About `count` frames spread evenly over a range, found by jumping: quick, but their indices are not exact.

    Where the file cannot be jumped in, or does not say how long it is, they are the first ones of the range.

    Raises:
        BadVideo: as `probe_video`.
    """
    reader = VideoReader(path, start=start, stop=stop)
    total = len(reader)
    found = 0
    if total > count:
        with open_film(path) as capture:
            aspect = pixel_shape(capture)
            for i in range(count):
                index = start + (2 * i + 1) * total // (2 * count)
                done, bgr = capture.read() if capture.set(cv2.CAP_PROP_POS_FRAMES, index) else (False, None)
                if done:
                    found += 1
                    seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    yield Frame(index, seconds, _rgb(bgr, aspect))
    if not found:
        for _, frame in zip(range(count), reader, strict=False):
            yield frame


def _rgb(bgr: Any, aspect: float) -> Rgb:
    return np.asarray(cv2.cvtColor(squared(bgr, aspect), cv2.COLOR_BGR2RGB), np.uint8)
