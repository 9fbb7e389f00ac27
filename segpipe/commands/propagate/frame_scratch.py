"""Frames that wait for the next key frame: features and labels in a file, so that memory does not grow with them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segpipe.base.errors import MachineError
from segpipe.base.shortage import raise_shortage

_SPARE = 1 << 28  # bytes of the disk that stay free


@dataclass(frozen=True, slots=True)
class FrameShape:
    """What is kept of a frame, in numbers."""

    rows: int
    cols: int
    width: int
    """Length of a feature."""
    channels: int
    """Of labels."""

    @property
    def bytes(self) -> int:
        """On the disk, of one frame: 16 bits a number."""
        return 2 * self.rows * self.cols * (self.width + self.channels)


class FrameScratch:
    """A stack of frames on the disk; what was put there stays when the process ends."""

    def __init__(self, path: Path, shape: FrameShape) -> None:
        """Open it; what the file holds stays."""
        self._shape = shape
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._path = path

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def put(self, place: int, features: Tensor, labels: Tensor | None) -> None:
        """Write a frame at a place, 0 the first.

        Args:
            place: where.
            features: (rows, cols, width), each of length 1.
            labels: (rows, cols, channels) that it was given from the key frame before; None where there is none.

        Raises:
            MachineError: the disk is full.
        """
        rows, cols = self._shape.rows, self._shape.cols
        if labels is None:
            labels = features.new_zeros(rows, cols, self._shape.channels)
        both = torch.cat([features, labels], dim=-1)
        content = both.to("cpu", torch.float16).numpy().tobytes()
        at = place * self._shape.bytes
        try:
            while content:
                done = os.pwrite(self._file, content, at)
                content, at = content[done:], at + done
        except OSError as error:
            raise_shortage(self._path, error)
            raise

    def get(self, place: int) -> tuple[Tensor, Tensor]:
        """The features and labels of a frame, as `put` takes them, rounded to 16 bits."""
        shape = self._shape
        raw = os.pread(self._file, self._shape.bytes, place * self._shape.bytes)
        numbers = torch.from_numpy(np.frombuffer(raw, np.float16).astype(np.float32))
        both = numbers.reshape(shape.rows, shape.cols, shape.width + shape.channels)
        return both[..., : shape.width], both[..., shape.width :]


def check_room(folder: Path, shape: FrameShape, frames: int) -> None:
    """See that there is room for the frames between two key frames before any is computed.

    Args:
        folder: where they will lie.
        shape: of what is kept of a frame.
        frames: how many at most wait for a key frame.

    Raises:
        MachineError: the disk has too little room.
    """
    needed, free = frames * shape.bytes, shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        raise MachineError(
            f"{folder}: {frames} frames wait for a key frame, their features need {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free; free some, give more key frames, or a smaller input size"
        )
