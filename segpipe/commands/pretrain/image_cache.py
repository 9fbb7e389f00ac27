"""Images decoded once and kept small in a file beside OUT's weights, so that training waits for no decoder.

    pixels.bin    RGB of one picture after the other, 8 bits, rows from the top
    index.json    key, and of each picture its path, offset, height and width; files that cannot be used with the reason

Nobody has looked at these files before: they are decoded in guarded processes. The index is written last, so that a
cache that was cut off is made anew.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import CorpusError
from segpipe.base.guarded import Gone, Guards
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.base.shortage import raise_shortage
from segpipe.images.decoding import memory_for
from segpipe.images.headers import BadImage
from segpipe.images.listing import Listing
from segpipe.images.single import MAX_PIXELS, read_single
from segpipe.records.corpus import Rejected

_PIXELS, _INDEX = "pixels.bin", "index.json"
_SHAPE = 1.5  # of a usual photograph, for the disk that is said to be needed

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    offset: int
    height: int
    width: int


class ImageCache:
    """The pictures of a finished cache; threads may read side by side."""

    def __init__(self, folder: Path) -> None:
        """Open it.

        Raises:
            OSError, ValueError, LookupError, TypeError: it is not there or damaged.
        """
        found = files.read_json(folder / _INDEX)
        self.key = str(found["key"])
        self._places = [_Place(**each) for each in found["pictures"]]
        self.rejected = tuple(Rejected(**each) for each in found["rejected"])
        with (folder / _PIXELS).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        last = self._places[-1]
        if last.offset + 3 * last.height * last.width != len(self._map):
            raise ValueError(f"{_PIXELS} has {len(self._map)} bytes")

    def __len__(self) -> int:
        return len(self._places)

    @property
    def paths(self) -> list[str]:
        """Of the pictures, relative to the listing's root."""
        return [place.path for place in self._places]

    def read(self, item: int) -> Bytes:
        """A picture (H, W, 3), not to be written to."""
        place = self._places[item]
        values = np.frombuffer(self._map, np.uint8, 3 * place.height * place.width, place.offset)
        return values.reshape(place.height, place.width, 3)


def needed_side(views: Sequence[tuple[int, float]]) -> int:
    """Pixels of a picture's short side below which a crop would have to be enlarged.

    Args:
        views: of each kind of view its side in pixels, and the smallest share of the picture that it covers.

    >>> needed_side([(224, 0.4), (96, 0.05)])
    430
    """
    return max(math.ceil(side / math.sqrt(share)) for side, share in views)


def listing_key(listing: Listing, side: int) -> str:
    """Fingerprint of files by name, size and time, and of the size they are kept at."""
    states = [(name, (listing.root / name).stat()) for name in listing.paths if (listing.root / name).exists()]
    return files.digest([side, [[name, state.st_size, state.st_mtime_ns] for name, state in states]])


def cache_bytes(count: int, side: int) -> int:
    """About what a cache of so many pictures takes."""
    return round(count * 3 * side * side * _SHAPE)


def open_cache(folder: Path, listing: Listing, side: int, runtime: Runtime) -> ImageCache:
    """The cache of a listing; made where it is not there or of other files.

    Raises:
        CorpusError: not one image can be used.
        MachineError: there is no room.
    """
    key = listing_key(listing, side)
    found = peek(folder)
    if found is None or found.key != key:
        _make(folder, listing, side, key, runtime)
        found = ImageCache(folder)
    return found


def peek(folder: Path) -> ImageCache | None:
    """A cache that is whole, if there is one."""
    try:
        return ImageCache(folder)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _make(folder: Path, listing: Listing, side: int, key: str, runtime: Runtime) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _INDEX).unlink(missing_ok=True)
    places: list[_Place] = []
    rejected = list(listing.rejected)
    offset = 0
    try:
        with (folder / _PIXELS).open("wb") as out, Guards(memory_for(MAX_PIXELS)) as guards:

            def read(name: str) -> Bytes | Rejected:
                try:
                    return guards.call(_read, listing.root, name, side)
                except Gone as gone:
                    return Rejected(name, str(gone))

            made = thread_map(read, listing.paths, workers=runtime.workers, ahead=2 * runtime.workers)
            shown = runtime.track(made, total=len(listing.paths), unit="images")
            for name, rgb in zip(listing.paths, shown, strict=True):
                if isinstance(rgb, Rejected):
                    rejected.append(rgb)
                    continue
                out.write(rgb.tobytes())
                places.append(_Place(name, offset, *rgb.shape[:2]))
                offset += rgb.nbytes
        if places:
            files.sync(folder / _PIXELS)
    except OSError as error:
        raise_shortage(folder, error)
        raise
    if not places:
        raise CorpusError(f"{listing.root}: no image can be used: {rejected[0].path}: {rejected[0].reason}")
    facts: dict[str, Any] = {
        "key": key,
        "pictures": [asdict(place) for place in places],
        "rejected": [asdict(item) for item in rejected],
    }
    files.write_json(folder / _INDEX, facts)


def _read(root: Path, name: str, side: int) -> Bytes | Rejected:
    """In a guarded process: an image whose short side is at most `side` pixels, or why there is none."""
    try:
        rgb = read_single(root / name).rgb
    except BadImage as error:
        return Rejected(name, error.reason)
    height, width = rgb.shape[:2]
    scale = side / min(height, width)
    if scale < 1:
        size = (max(side, round(width * scale)), max(side, round(height * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(rgb)
