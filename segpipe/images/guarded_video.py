"""Videos opened in a guarded process: frames are asked for one by one, and FFmpeg stays out of the process itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from segpipe.base.guarded import Gone, Guard, Guards
from segpipe.images.film_opening import BadVideo

R = TypeVar("R")

VIDEO_MEMORY = 6 << 30
"""Bytes that opening a video and decoding its frames may take."""

_OPENED: list[tuple[Any, Iterator[Any]]] = []
"""In the guarded process: the video whose frames are being taken."""


def open_there(guard: Guard, open_video: Callable[[], Any]) -> None:
    """Open a video in the guard's process, in the place of the one before.

    Args:
        guard: serves this video alone until its last frame.
        open_video: gives something to iterate over; it can be pickled, and so can what it raises and yields.

    Raises:
        BadVideo: what `open_video` raises.
        Gone: the decoder crashed, starved or hung.
    """
    guard.call(_open, open_video)


@contextmanager
def opened_there(path: Path, open_video: Callable[[], Any]) -> Iterator[Guard]:
    """Yield the guard of a process in which a video is opened; what it does to that process is an error of the video's.

    Raises:
        BadVideo: what `open_video` raises, or the decoder crashed, starved or hung.
    """
    with Guards(VIDEO_MEMORY) as guards, guards.one() as guard:
        try:
            open_there(guard, open_video)
            yield guard
        except Gone as gone:
            raise BadVideo(path, str(gone)) from gone


def ask_there(guard: Guard, question: Callable[[Any], R]) -> R:
    """What a function that can be pickled says of the opened video."""
    found: R = guard.call(_ask, question)
    return found


def frames_there(guard: Guard) -> Iterator[Any]:
    """What iterating over the opened video gives.

    Raises:
        BadVideo: as iterating.
        Gone: the decoder crashed, starved or hung.
    """
    while (found := guard.call(_next)) is not None:
        yield found


def local_only() -> None:
    """In a process of its own FFmpeg may be told to open no address without others hearing it."""
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file")


def _open(open_video: Callable[[], Any]) -> None:
    local_only()
    _OPENED.clear()
    video = open_video()
    _OPENED.append((video, iter(video)))


def _ask(question: Callable[[Any], Any]) -> Any:
    return question(_OPENED[0][0])


def _next() -> Any:
    return next(_OPENED[0][1], None)
