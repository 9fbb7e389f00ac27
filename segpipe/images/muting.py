"""OpenCV and FFmpeg print to standard error; what matters of it becomes an error of ours with a way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_PACKETS = str(10**8)
"""Packets of sound that may lie between two frames; OpenCV gives up after 4096, half a minute of a camera's pause."""


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """OpenCV's own log lines stay away: what matters of them becomes an error with a way out.

    FFmpeg's, which go past ours, too: it asks for its level when the first video is opened, to be read or written.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_FFMPEG_READ_ATTEMPTS", _PACKETS)
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


@contextmanager
def mute() -> Iterator[None]:
    """For a moment nothing reaches standard error, not even what C code prints.

    Opening any WebM writer prints a line that the codec's tag is not known to the container, which needs none.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
