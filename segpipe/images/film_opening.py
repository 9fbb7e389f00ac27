"""Open video files: the right track of a file that is a video by its content, and the shape of its pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError
from segpipe.base.files import absolute
from segpipe.images.muting import quiet_opencv
from segpipe.images.video_header import film_behind_cover, find_container
from segpipe.records.corpus import GONE

ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".wmv")
_LARGEST = 1 << 27  # pixels of a frame: four times 8K
_LONGEST_PIXEL, _NEARLY = 8.0, 0.01  # pixel shapes that are believed, and those that are squares


class BadVideo(CorpusError):
    """A file that cannot be used as a video. `reason` says why in a few words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadVideo], tuple[Path, str]]:
        return BadVideo, (self.path, self.reason)  # survives the way back from a guarded process


def pixel_shape(capture: Any) -> float:
    """Width over height of a pixel as displayed (sample aspect ratio), 1 where the file does not say or nearly so."""
    above, below = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    aspect = above / below if above > 0 and below > 0 else 1.0
    if not 1 / _LONGEST_PIXEL <= aspect <= _LONGEST_PIXEL or abs(aspect - 1) < _NEARLY:
        return 1.0
    turned = round(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90  # the shape is that of the stored pixels
    return 1 / aspect if turned else aspect


def squared(bgr: npt.NDArray[np.uint8], aspect: float) -> npt.NDArray[np.uint8]:
    """A frame (H, W, 3) whose pixels are `aspect` times as wide as high, made larger so that they are squares."""
    if aspect == 1:
        return bgr
    height, width = bgr.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC), np.uint8)


@contextmanager
def open_film(path: Path) -> Iterator[Any]:
    """Open a video with FFmpeg, at its film: an OpenCV capture.

    Raises:
        BadVideo: no such file, of an unknown kind, cut short before its index, or of frames too large.
    """
    if not path.is_file():
        raise BadVideo(path, "not a file" if path.exists() else GONE)
    if find_container(path) is None:
        raise BadVideo(path, f"not a video by its content; read are {', '.join(ENDINGS)} as cameras write them")
    film = film_behind_cover(path)
    if film:
        raise BadVideo(
            path,
            f"its first track is a cover picture, and no other can be read; `ffmpeg -i IN -map 0:v:{film} -c copy OUT` "
            "makes a file of the film alone, without loss",
        )
    with quiet_opencv():
        try:
            capture = cv2.VideoCapture(absolute(path), cv2.CAP_FFMPEG)  # a relative name could be taken for `http:`
        except (cv2.error, UnicodeEncodeError) as error:
            raise BadVideo(path, f"cannot be opened: {' '.join(str(error).split())[:200]}") from error
    try:
        if not capture.isOpened():
            raise BadVideo(path, "cannot be opened: not a video, or cut short")
        width, height = (capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > _LARGEST:  # before a frame is allocated
            raise BadVideo(path, f"frames of {width:.0f} x {height:.0f} pixels are more than {_LARGEST}")
        yield capture
    finally:
        capture.release()
