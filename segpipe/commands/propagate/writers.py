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

from segpipe.base import files
from segpipe.base.geometry import Size
from segpipe.commands.propagate.carry_state import FrameRow, StateFolder, Waiting
from segpipe.ops.propagation.label_affinity import Carried
from segpipe.ops.propagation.label_confidence import patch_confidence
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
    confidence: bool = True
    """Whether pictures of confidence are wanted."""

    def mask_path(self, frame: int) -> Path:
        """Of a frame's class map."""
        return self.folder / MASKS / f"{frame:0{self.digits}}.png"

    def write_carried(self, frame: Waiting, carried: Carried) -> FrameRow:
        """Write a frame of the labels that it was given."""
        size = Size(frame.height, frame.width)
        mask = decide(carried.labels, size, self.deciding, empty=self.legend.nodata)
        sure = patch_confidence(carried.labels, carried.likeness).cpu().numpy()
        rows, cols = sure.shape
        pixels = sure[sampled(size.height, rows)[:, None], sampled(size.width, cols)]
        return self._write(frame, mask, pixels, float(sure.mean()), key=False)

    def write_key(self, frame: Waiting, mask: Mask) -> FrameRow:
        """Write a key frame as it was given."""
        return self._write(frame, mask, np.ones(mask.shape, np.float32), 1.0, key=True)

    def _write(self, frame: Waiting, mask: Mask, sure: npt.NDArray[np.float32], mean: float, *, key: bool) -> FrameRow:
        masks.write_mask(self.mask_path(frame.index), mask, classes=self.legend.classes, colors=self.legend.colors)
        if self.confidence:
            _, png = cv2.imencode(".png", np.rint(255 * sure).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 4])
            files.write_bytes(self.folder / CONFIDENCE / self.mask_path(frame.index).name, png.tobytes())
        counts = np.bincount(mask.ravel(), minlength=self.legend.classes)[: self.legend.classes]
        pixels = {int(k): int(counts[k]) for k in np.flatnonzero(counts)}
        return FrameRow(frame.index, frame.seconds, round(mean, 6), key, (frame.height, frame.width), pixels)


class FrameWriter:
    """Writes frames in threads beside the work on the next ones; holds few of them."""

    def __init__(self, target: FrameFiles, state: StateFolder, *, workers: int) -> None:
        self._target, self._state = target, state
        self._pool, self._most = ThreadPoolExecutor(workers), 2 * workers
        self._waiting: deque[Future[FrameRow]] = deque()

    def carried(self, frame: Waiting, carried: Carried) -> None:
        """Write a frame of the labels that it was given."""
        self._submit(partial(self._target.write_carried, frame, carried))

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
