"""Frames of a video or of a folder: numbered, of one size, each with whether a scene begins with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.base.geometry import Size
from segpipe.images.frames import difference, look_of
from segpipe.images.label_masks import photographs
from segpipe.images.listing import list_images
from segpipe.images.sources import ImageSource, SourceImage, VideoSource, in_frame_order
from segpipe.images.transform import CropResize
from segpipe.images.video import is_video
from segpipe.records.corpus import Rejected

FPS = 25.0
"""Frames a second of a folder that does not say."""
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One frame of the film."""

    number: int
    """From 0 over all frames of the film or files of the folder, also those that cannot be used."""
    name: str
    """Of its file without ending, for a folder; of the film and its number, for a film."""
    seconds: float
    rgb: npt.NDArray[np.uint8]
    """(H, W, 3)"""
    cut: bool
    """Whether a scene begins with it."""


class Footage:
    """The frames of a film in order; those that cannot be used come as `Rejected`. Holds a few at a time."""

    def __init__(self, source: ImageSource | VideoSource, *, cuts: float, fps: float, start: int) -> None:
        """The frames of a source; a scene begins where two differ by `cuts` or more, 0: never."""
        self.source, self.cuts, self.start = source, cuts, start
        self.fps = fps or source.fps or FPS

    def __len__(self) -> int:
        """How many frames to expect; 0 where that is not known."""
        return len(self.source)

    @property
    def files(self) -> list[Path]:
        """What is read, in order."""
        source = self.source
        if isinstance(source, ImageSource):
            return [source.root / path for path, _ in source.files]
        return [source.path.resolve()]

    @property
    def digits(self) -> int:
        """Of frame numbers in file names, so that names sort as frames follow each other."""
        return max(_DIGITS, len(str(self.start + len(self.source))))

    def __iter__(self) -> Iterator[FilmFrame | Rejected]:
        """Read.

        Raises:
            BadVideo: the film can no longer be opened.
        """
        before: npt.NDArray[np.int16] | None = None
        size: Size | None = None
        film = isinstance(self.source, VideoSource)
        for place, entry in enumerate(self.source, self.start):
            if isinstance(entry, Rejected):
                yield entry
                continue
            size = size or entry.size
            if entry.size != size:
                yield Rejected(entry.name, _other_size(entry.size, size))
                continue
            look = look_of(entry.rgb) if self.cuts else None
            cut = look is not None and before is not None and difference(look, before) >= self.cuts
            before = look
            yield FilmFrame(place, entry.name, entry.seconds if film else place / self.fps, _filled(entry), cut)


def _filled(image: SourceImage) -> npt.NDArray[np.uint8]:
    return image.rgb if image.valid is None else np.where(image.valid[..., None], image.rgb, np.uint8(0))


def _other_size(size: Size, first: Size) -> str:
    return f"{size.width} x {size.height} pixels, the first frame has {first.width} x {first.height}; make them alike"


def open_footage(
    video: str, *, frames: tuple[int, int] | None, cuts: float, fps: float | None, workers: int
) -> tuple[Footage, tuple[Rejected, ...]]:
    """Open a film or a folder of frames, and what of the folder cannot be used at all.

    Raises:
        UsageError: no such file or folder, or a folder without the frames asked for.
        BadVideo: a film that cannot be opened.
    """
    start, stop = frames or (0, None)
    path, transform = Path(video).expanduser(), CropResize()
    if is_video(path) and not path.is_dir():
        film = VideoSource(path, transform, start=start, stop=stop)
        return Footage(film, cuts=cuts, fps=fps or 0.0, start=start), ()
    listing = in_frame_order(photographs(list_images(video)))
    source = ImageSource(listing, transform, workers=workers, chosen=slice(start, stop))
    if not len(source):
        raise UsageError(f"{named('frames', f'{start} {stop}')}: {video} holds {len(listing.paths)} images")
    return Footage(source, cuts=cuts, fps=fps or 0.0, start=start), listing.rejected
