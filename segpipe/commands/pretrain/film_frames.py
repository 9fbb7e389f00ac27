"""Frames of a film, or of a folder in order, read once: of one size, made smaller, black where there is no image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.base.files import digest
from segpipe.base.geometry import Size
from segpipe.images.label_masks import photographs
from segpipe.images.listing import list_images
from segpipe.images.sources import ImageSource, SourceImage, VideoSource, in_frame_order
from segpipe.images.transform import CropResize
from segpipe.images.video import is_video
from segpipe.records.corpus import Rejected

_FORMAT = 1
_SHAPE = 16 / 9


class FilmFrames:
    """A film, or a folder of frames in order (frame9 before frame10), as it is read once."""

    def __init__(self, video: str, *, side: int, frames: tuple[int, int] | None, workers: int) -> None:
        """Open it.

        Args:
            video: a film or a folder of frames.
            side: pixels of the short side at which frames are kept; smaller ones are not made larger.
            frames: FROM up to and without TO; None: all.
            workers: threads that read a folder.

        Raises:
            UsageError: no such file or folder, or a folder without the frames asked for.
            BadVideo: a film that cannot be opened.
        """
        self.video, self.side, self.unusable = video, side, tuple[Rejected, ...]()
        self._range = frames or (0, None)
        start, stop = self._range
        path = Path(video).expanduser()
        self.source: ImageSource | VideoSource
        if is_video(path) and not path.is_dir():
            self.source = VideoSource(path, CropResize(), start=start, stop=stop)
            return
        listing = in_frame_order(photographs(list_images(video)))
        self.unusable = listing.rejected
        self.source = ImageSource(listing, CropResize(), workers=workers, chosen=slice(start, stop))
        if not len(self.source):
            raise UsageError(f"{named('frames', f'{start} {stop}')}: {video} holds {len(listing.paths)} images")

    def __len__(self) -> int:
        """How many frames to expect; 0 where that is not known."""
        return len(self.source)

    @property
    def key(self) -> str:
        """Fingerprint of what is read and of how it is kept."""
        source = self.source
        paths = (
            [source.path.resolve()] if isinstance(source, VideoSource) else [source.root / p for p, _ in source.files]
        )
        stamps = [[str(path), *_stamp(path)] for path in paths]
        return digest({"format": _FORMAT, "files": stamps, "side": self.side, "frames": self._range})

    def bytes_expected(self) -> int:
        """Of all frames as they are kept, about: a folder's are taken for 16 : 9."""
        source = self.source
        if isinstance(source, VideoSource):
            size = kept_size(Size(source.info.height, source.info.width), self.side)
        else:
            size = Size(self.side, round(self.side * _SHAPE))
        return len(self) * 3 * size.height * size.width

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8] | Rejected]:
        """The frames (H, W, 3), all of the first one's size, and why others are left out.

        Raises:
            BadVideo: the film can no longer be opened.
        """
        first: Size | None = None
        for entry in self.source:
            if isinstance(entry, Rejected):
                yield entry
                continue
            first = first or entry.size
            if entry.size != first:
                yield Rejected(entry.name, _other_size(entry.size, first))
                continue
            yield _filled(entry, kept_size(first, self.side))


def kept_size(size: Size, side: int) -> Size:
    """The size at which a frame is kept: its short side at most `side`.

    >>> kept_size(Size(1080, 1920), 300)
    Size(height=300, width=533)
    """
    share = min(1.0, side / min(size.height, size.width))
    return Size(max(1, round(size.height * share)), max(1, round(size.width * share)))


def _filled(image: SourceImage, size: Size) -> npt.NDArray[np.uint8]:
    rgb, valid = CropResize(resize=size).apply(image.rgb, image.valid)
    return rgb if valid is None else np.where(valid[..., None], rgb, np.uint8(0))


def _other_size(size: Size, first: Size) -> str:
    return f"{size.width} x {size.height} pixels, the first frame has {first.width} x {first.height}; make them alike"


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (-1, -1)
    return (found.st_size, found.st_mtime_ns)
