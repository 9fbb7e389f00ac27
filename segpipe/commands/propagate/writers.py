"""What is written of every frame while it is carried: class map, confidence, and a line for the tables."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from segpipe.base import files
from segpipe.base.geometry import Size
from segpipe.commands.propagate.carry_state import FrameRow, StateFolder, Waiting
from segpipe.ops.propagation.label_confidence import sureness
from segpipe.ops.propagation.soft_maps import Deciding, Mask, decide, sampled
from segpipe.records.legend import Legend
from segpipe.store import masks

MASKS, CONFIDENCE = "masks", "confidence"


@dataclass(frozen=True)
class FrameFiles:
    """Where and how the files of a frame are written."""

    folder: Path
    legend: Legend
    deciding: Deciding
    digits: int
    """Of frame numbers in names."""
    objects: tuple[int, ...]
    """The classes whose mean overlap is the confidence of a frame."""
    confidence: bool = True
    """Whether pictures of confidence are wanted."""

    def mask_path(self, frame: int) -> Path:
        """Of a frame's class map."""
        return self.folder / MASKS / f"{frame:0{self.digits}}.png"

    def write_carried(self, frame: Waiting, labels: Tensor) -> FrameRow:
        """Write a frame of the labels (rows, cols, classes + 1) that it was given."""
        size = Size(frame.height, frame.width)
        mask = decide(labels, size, self.deciding, empty=self.legend.nodata)
        found = sureness(labels, stretch=self.deciding.stretch)
        sure = found.patches.cpu().numpy()
        pixels = sure[sampled(size.height, sure.shape[0])[:, None], sampled(size.width, sure.shape[1])]
        shares = found.overlap.cpu().numpy()[: self.legend.classes]
        overlap = {int(k): round(float(shares[k]), 6) for k in np.flatnonzero(~np.isnan(shares))}
        return self._write(frame, mask, pixels, overlap, key=False)

    def write_key(self, frame: Waiting, mask: Mask) -> FrameRow:
        """Write a key frame as it was given."""
        overlap = {int(k): 1.0 for k in np.unique(mask) if k != self.legend.nodata}
        return self._write(frame, mask, np.ones(mask.shape, np.float32), overlap, key=True)

    def _write(
        self, frame: Waiting, mask: Mask, sure: npt.NDArray[np.float32], overlap: dict[int, float], *, key: bool
    ) -> FrameRow:
        path = self.mask_path(frame.index)
        masks.write_mask(path, mask, classes=self.legend.classes, colors=self.legend.colors)
        if self.confidence:
            _, png = cv2.imencode(".png", np.rint(255 * sure).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 4])
            files.write_bytes(self.folder / CONFIDENCE / path.name, png.tobytes())
        counts = np.bincount(mask.ravel(), minlength=self.legend.classes)[: self.legend.classes]
        pixels = {int(k): int(counts[k]) for k in np.flatnonzero(counts)}
        chosen = [overlap[k] for k in self.objects if k in overlap] or list(overlap.values())
        mean = round(float(np.mean(chosen)), 6) if chosen else 1.0
        return FrameRow(frame.index, frame.seconds, mean, key, (frame.height, frame.width), pixels, overlap)


class FrameWriter:
    """Writes frames in threads beside the work on the next ones; holds few of them."""

    def __init__(self, target: FrameFiles, state: StateFolder, *, workers: int) -> None:
        self._target, self._state = target, state
        self._pool, self._most = ThreadPoolExecutor(workers), 2 * workers
        self._waiting: deque[Future[FrameRow]] = deque()

    def carried(self, frame: Waiting, labels: Tensor) -> None:
        """Write a frame of the labels that it was given."""
        self._submit(partial(self._target.write_carried, frame, labels))

    def key(self, frame: Waiting, mask: Mask) -> None:
        """Write a key frame."""
        self._submit(partial(self._target.write_key, frame, mask))

    def _submit(self, work: partial[FrameRow]) -> None:
        self._waiting.append(self._pool.submit(work))
        while len(self._waiting) > self._most:
            self._state.append(self._waiting.popleft().result())

    def drain(self) -> None:
        """Wait until all that was given is written."""
        while self._waiting:
            self._state.append(self._waiting.popleft().result())

    def close(self) -> None:
        """End the threads; what was not begun is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)
