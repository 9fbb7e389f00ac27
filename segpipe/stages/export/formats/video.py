"""Masks of videos as videos: the frames that were taken, under their classes' colors, each for as long as it stood."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.images.listing import short_names
from segpipe.images.video_writing import write_video
from segpipe.records.corpus import FrameInfo, Image
from segpipe.stages.export.formats.pictures import draw_overlay
from segpipe.stages.export.formats.source import Source

_LIMIT = 16382  # longest side of a VP8 picture that can be even, pixels
_FPS = 5.0  # of a video of frames that follow each other unevenly
_EVEN = 1.5  # times longer that a frame of even steps may last than another
_LONGEST = 10.0  # seconds that such a frame stands
_SLOWEST, _FASTEST = 0.05, 120.0  # frames a second

_log = logging.getLogger(__name__)


def export_video(source: Source, out: Path) -> int:
    """WebM of every video's frames under their classes' colors: `video/<path of the video>.webm`."""
    films: dict[str, list[Image]] = {}
    for image in source.corpus.images:
        if image.moment is not None:
            films.setdefault(image.moment.video, []).append(image)
    left_out = len(source.corpus.images) - sum(map(len, films.values()))
    if films and left_out:
        _log.info("video: %d images are no frames of a video and are in none", left_out)
    for name, images in zip(short_names(list(films)), films.values(), strict=True):
        _write(source, images, files.inside(out / "video", f"{name}.webm"))
    return len(films)


def plan_showing(moments: Sequence[FrameInfo]) -> tuple[float, list[int]]:
    """Frames a second of a video, and how many times each frame that was taken comes in it.

    Frames taken in even steps that last alike come once, at the mean rate at which they were taken. Others come as
    often as they last, five times a second, for ten seconds at most.
    """
    steps = {after.index - before.index for before, after in pairwise(moments)}
    held = [moment.lasts for moment in moments[:-1]]
    if len(steps) <= 1 and max(held, default=0) <= _EVEN * min(held, default=0):
        own = moments[:-1] or moments
        seconds = sum(moment.lasts for moment in own)
        fps = len(own) / seconds if seconds > 0 else 1.0
        return min(max(fps, _SLOWEST), _FASTEST), [1] * len(moments)
    times, end, written = list[int](), 0.0, 0
    for moment in moments:
        end += min(moment.lasts, _LONGEST)
        times.append(max(1, round(end * _FPS) - written))
        written += times[-1]
    return _FPS, times


def _write(source: Source, images: Sequence[Image], path: Path) -> None:
    fps, times = plan_showing([image.moment for image in images if image.moment])
    first = images[0].size

    def draw(image: Image) -> npt.NDArray[np.uint8]:
        picture = draw_overlay(source, image, most=_LIMIT)
        if image.size == first:
            return picture
        width, height = first.width, first.height  # the stream changes its size on the way
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    with write_video(path, fps=fps) as append:
        for (_, picture), count in zip(source.map(draw, "frames of videos", images), times, strict=True):
            append(picture, count)
