"""Smaller copies of mosaics without overviews, made beside the server's other work, and a coarse picture until then."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.errors import SegpipeError
from segpipe.base.geometry import Box, Size
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.commands.view.pyramid import Tile
from segpipe.images.scaled_reader import ScaledMosaic, open_scaled
from segpipe.records.corpus import Image

Rgb = npt.NDArray[np.uint8]
_LEAST = 8  # times smaller than the mosaic
_LONGEST = 8192  # pixels along a side of a copy
_STRIP = 1 << 22  # pixels read at once
_NICE = 15  # what is asked for comes first
_SAMPLES = 8  # places along the longer side of a coarse picture


@dataclass(slots=True)
class _Copy:
    """What is known of one mosaic."""

    scale: int
    """Times smaller than the mosaic; 0: none is needed, the file has overviews."""
    pixels: Rgb | None = None
    """Of a copy that is done, on disk."""
    coarse: Rgb | None = None
    share: float = 0.0
    failed: str | None = None


class MosaicCopies:
    """Copies of the mosaics that were looked at."""

    def __init__(self, folder: Path) -> None:
        """Write copies to a folder."""
        self._folder = folder
        self._copies: dict[tuple[str, int], _Copy] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def ready(self, number: int, image: Image, scale: int, run: OpenedRun) -> bool:
        """Whether a mosaic can be read at a scale without decoding much of it; if not, a copy is begun."""
        copy = self._find(number, image, run)
        if scale < _LEAST or copy.scale == 0 or scale < copy.scale or copy.failed is not None:
            return True
        return copy.pixels is not None

    def cut(self, number: int, tile: Tile, run: OpenedRun) -> Rgb | None:
        """A tile of a copy; None where there is none that is small enough."""
        copy = self._copies.get((run.artefacts, number))
        if copy is None or copy.pixels is None or tile.scale < copy.scale:
            return None
        step = copy.scale
        top, left = tile.box.top // step, tile.box.left // step
        bottom, right = -(-tile.box.bottom // step), -(-tile.box.right // step)
        part = np.asarray(copy.pixels[top:bottom, left:right])
        size = (tile.size.width, tile.size.height)
        return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)

    def coarse(self, number: int, image: Image, tile: Tile, run: OpenedRun) -> Rgb:
        """A tile of the coarse picture of a mosaic, blurred (tile.size.height, tile.size.width, 3)."""
        found, whole = self._find(number, image, run).coarse, image.size
        assert found is not None  # it is asked for where a copy is to be made
        y = (tile.box.top + (np.arange(tile.size.height) + 0.5) * tile.scale) * found.shape[0] / whole.height - 0.5
        x = (tile.box.left + (np.arange(tile.size.width) + 0.5) * tile.scale) * found.shape[1] / whole.width - 0.5
        xs, ys = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        return np.asarray(cv2.remap(found, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    @property
    def drawing(self) -> dict[str, object] | None:
        """Which mosaic is being copied, and how much of it is done."""
        for (_, number), copy in list(self._copies.items()):
            if copy.scale and copy.pixels is None and copy.failed is None:
                return {"image": number, "share": round(copy.share, 2)}
        return None

    def close(self) -> None:
        """Give up what is being made."""
        self._stopped.set()

    def _find(self, number: int, image: Image, run: OpenedRun) -> _Copy:
        key = run.artefacts, number
        with self._lock:
            found = self._copies.get(key)
            if found is None:
                with open_scaled(run.corpus, image) as mosaic:
                    scale = 0 if mosaic.cheap(_LEAST) else copy_scale(image.size)
                    coarse = sample(mosaic) if scale else None  # before the copy takes the processor
                found = self._copies[key] = _Copy(scale, coarse=coarse)
                if scale:
                    path = self._folder / f"{key[0]}.{number}.rgb"
                    threading.Thread(target=self._make, args=(found, path, image, run), daemon=True).start()
            return found

    def _make(self, copy: _Copy, path: Path, image: Image, run: OpenedRun) -> None:
        if sys.platform == "linux":  # elsewhere that would be of the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            with open_scaled(run.corpus, image) as mosaic:
                self._fill(copy, path, mosaic)
        except (SegpipeError, OSError, ValueError) as error:
            copy.failed = str(error)

    def _fill(self, copy: _Copy, path: Path, mosaic: ScaledMosaic) -> None:
        size, step = mosaic.image.size, copy.scale
        drawn = Size(-(-size.height // step), -(-size.width // step))
        pixels = np.memmap(path, np.uint8, "w+", shape=(drawn.height, drawn.width, 3))
        rows = max(1, _STRIP // size.width // max(step, mosaic.block.height)) * max(step, mosaic.block.height)
        rows = -(-rows // step) * step
        for top in range(0, size.height, rows):
            if self._stopped.is_set():
                return
            box = Box(top, 0, min(rows, size.height - top), size.width)
            part = Size(-(-box.height // step), drawn.width)
            pixels[top // step : top // step + part.height] = _averaged(mosaic, box, part)
            copy.share = (top + box.height) / size.height
        pixels.flush()
        copy.pixels = pixels


def _averaged(mosaic: ScaledMosaic, box: Box, size: Size) -> Rgb:
    """A box scaled down, of all its pixels."""
    return np.asarray(
        cv2.resize(mosaic.read(box, box.size), (size.width, size.height), interpolation=cv2.INTER_AREA), np.uint8
    )


def copy_scale(size: Size) -> int:
    """How much smaller than a mosaic its copy is, a power of two.

    >>> copy_scale(Size(20_000, 20_000)), copy_scale(Size(100_000, 300))
    (8, 16)
    """
    scale = _LEAST
    while max(size.height, size.width) > _LONGEST * scale:
        scale *= 2
    return scale


def sample(mosaic: ScaledMosaic) -> Rgb:
    """A picture of a few pixels by a few: of each cell of a grid one small box is read, in one block of the file."""
    size = mosaic.image.size
    step = max(size.height, size.width) / _SAMPLES
    rows, cols = (max(1, round(length / step)) for length in (size.height, size.width))
    found = np.empty((rows, cols, 3), np.uint8)
    for row in range(rows):
        for col in range(cols):
            middle = int((row + 0.5) * size.height / rows), int((col + 0.5) * size.width / cols)
            block = mosaic.block
            top, left = middle[0] // block.height * block.height, middle[1] // block.width * block.width
            high, wide = min(block.height, size.height - top, 256), min(block.width, size.width - left, 256)
            found[row, col] = mosaic.read(Box(top, left, high, wide), Size(1, 1))[0, 0]
    return found
