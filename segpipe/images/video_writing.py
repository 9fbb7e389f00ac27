"""Videos written whole or not at all: WebM of our own, the other formats by OpenCV's FFmpeg.

That is built without x264 and x265 (GPL), so H.264 is read but not written; PyAV's wheels hold both, which is why they
are not used here. WebM is what browsers play.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError, MachineError, UsageError
from segpipe.base.files import atomic, clear_beside
from segpipe.images.film_opening import BadVideo
from segpipe.images.muting import mute, quiet_opencv
from segpipe.images.video import probe_video
from segpipe.images.webm import LONGEST, WebmWriter

Rgb = npt.NDArray[np.uint8]

CODECS = {".webm": "VP80", ".mkv": "VP80", ".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG"}
"""What is written, by ending: VP8, MPEG-4 part 2, or a JPEG a frame."""

_OWN = (".webm", ".mkv")
_ALLOWED, _SHARE = 2, 0.02  # frames by which an estimate of a header may be off, and the share of them


class Append(Protocol):
    """Adds a frame to a film."""

    def __call__(self, rgb: Rgb, times: int = 1) -> None:
        """Show a picture (H, W, 3) RGB for so many frames.

        Raises:
            CorpusError: it has another size than the first one.
            MachineError: it cannot be written.
        """
        ...


class FilmWriter(Protocol):
    """A file that takes frames of one size."""

    def append(self, rgb: Rgb, times: int) -> None:
        """Add a picture, shown for so many frames."""
        ...

    def finish(self) -> None:
        """Write what is left."""
        ...

    def close(self) -> None:
        """Let go of the file, finished or not."""
        ...


def check_writable(path: Path) -> None:
    """Whether a video of this name can be written.

    Raises:
        UsageError: not with this ending.
    """
    if path.suffix.lower() not in CODECS:
        raise UsageError(f"{path}: videos of this kind are not written; end the name in {', '.join(CODECS)}")


@contextmanager
def write_video(path: Path, *, fps: float) -> Iterator[Append]:
    """Yield a function that appends a frame (H, W, 3) RGB; the video takes its name when the block ends without error.

    All frames have the size of the first. Odd sizes grow by a repeated row or column: the codecs store colors for
    squares of 2 x 2 pixels.

    Args:
        path: its ending decides the format, see `CODECS`.
        fps: frames a second, all equally long.

    Raises:
        UsageError: another ending.
        CorpusError: not one frame was written, or one of another size.
        MachineError: the video cannot be written, or not all of it arrived on the disk.
    """
    check_writable(path)
    written = 0
    size: tuple[int, ...] = ()
    writer: FilmWriter | None = None
    clear_beside(path)
    with atomic(path) as beside:
        partial = beside.with_name(beside.name + path.suffix.lower())  # FFmpeg takes the container from the ending

        def append(rgb: Rgb, times: int = 1) -> None:
            nonlocal writer, size, written
            height, width = rgb.shape[:2]
            if writer is None:
                size = (height, width)
                writer = _open(partial, fps, width + width % 2, height + height % 2)
            if (height, width) != size:
                raise CorpusError(f"{path}: a frame of {width} x {height} pixels among frames of {size[1]} x {size[0]}")
            even = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            writer.append(np.asarray(even, np.uint8), times)
            written += times

        try:
            yield append
            if writer is None:
                raise CorpusError(f"{path}: there was no frame to write")
            writer.finish()
            writer.close()
            _check_whole(partial, path, written)
            partial.replace(beside)
        finally:
            if writer is not None:
                writer.close()
            partial.unlink(missing_ok=True)


def _open(path: Path, fps: float, width: int, height: int) -> FilmWriter:
    if path.suffix not in _OWN:
        return _OpenCvWriter(path, fps, width, height)
    if max(height, width) > LONGEST:
        raise _refused(path, fps, width, height)
    return WebmWriter(path, fps=fps, height=height, width=width)


class _OpenCvWriter:
    """Formats that OpenCV writes."""

    def __init__(self, path: Path, fps: float, width: int, height: int) -> None:
        with quiet_opencv(), mute():
            codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
            self._writer: Any = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, fps, (width, height))
        if not self._writer.isOpened():
            raise _refused(path, fps, width, height)

    def append(self, rgb: Rgb, times: int) -> None:
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        for _ in range(times):
            self._writer.write(bgr)

    def finish(self) -> None:
        self._writer.release()

    def close(self) -> None:
        self._writer.release()


def _refused(path: Path, fps: float, width: int, height: int) -> MachineError:
    return MachineError(
        f"a video of {width} x {height} pixels, {fps:g} frames a second, cannot be written to {path.parent} with "
        f"{CODECS[path.suffix]}; is there room, and does --resize help?"
    )


def _check_whole(written_to: Path, path: Path, written: int) -> None:
    """OpenCV's writer keeps a full disk to itself, so the file is asked what arrived."""
    try:
        found = probe_video(written_to).frames
    except BadVideo:
        found = 0
    if abs(found - written) > max(_ALLOWED, _SHARE * written):
        raise MachineError(f"{path}: {written} frames were written and {found} arrived; is the disk full?")
