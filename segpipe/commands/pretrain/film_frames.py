"""The frames of a film, or of a folder in order, as a training keeps them: all of one size, made smaller."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from segpipe.base.files import digest
from segpipe.base.geometry import Size
from segpipe.images.numbered_frames import check_range, of_one_size, open_frames
from segpipe.images.transform import CropResize
from segpipe.records.corpus import Rejected

_FORMAT = 1  # of what is kept; another one where frames are made smaller in another way


class SmallFrames:
    """A film, or a folder of frames (frame9 before frame10), read once from its beginning to its end."""

    def __init__(self, film: str, *, side: int, frames: tuple[int, int] | None, workers: int) -> None:
        """Open it.

        Args:
            film: a video file, or a folder of frames.
            side: pixels of the short side at which frames are kept; smaller ones are not made larger.
            frames: FROM up to and without TO; None: all.
            workers: threads that read a folder.

        Raises:
            UsageError: no such file or folder, or a folder without the frames asked for.
            CorpusError: a folder without an image that can be read.
            BadVideo: a film that cannot be opened.
        """
        self._start, stop = frames or (0, None)
        self._frames = open_frames(film, workers=workers, stop=stop)
        self.film, self.size = film, kept_size(self._frames.size, side)
        check_range(self._frames, film, self._start, stop)
        self.key = digest([_FORMAT, self._frames.state(), side, self._start, stop])

    def __len__(self) -> int:
        """How many frames to expect; 0 where that is not known."""
        return max(0, len(self._frames) - self._start)

    def bytes_expected(self) -> int:
        """Of all frames as they are kept."""
        return len(self) * 3 * self.size.height * self.size.width

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8] | Rejected]:
        """The frames (H, W, 3), all of the first one's shape, and why others are left out.

        Raises:
            BadVideo: the film can no longer be opened.
        """
        yield from self._frames.rejected
        smaller = CropResize(resize=self.size)
        for entry in of_one_size(self._frames.read(self._start), self._frames.size):
            yield entry if isinstance(entry, Rejected) else smaller.apply(entry.rgb, None)[0]


def kept_size(size: Size, side: int) -> Size:
    """The size at which a frame is kept: its short side at most `side`.

    >>> kept_size(Size(1080, 1920), 300)
    Size(height=300, width=533)
    """
    share = min(1.0, side / min(size.height, size.width))
    return Size(max(1, round(size.height * share)), max(1, round(size.width * share)))
