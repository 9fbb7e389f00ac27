r"""VC: how steady a class map is where the truth stands still (Miao et al., CVPR 2021: VSPW).

Of a window of C frames, with S the truth and S' what was found as sets of (pixel, class):

    paper: VC_C = |S_1 n .. n S_C n S'_1 n .. n S'_C| / |S_1 n .. n S_C|
    code:  of the pixels whose truth is one class in all C frames, the share whose found class is one in all C

The published program (VC_perclip.py) does not ask whether the found class is the true one, so that one class
everywhere scores 1; the paper's formula does. Both are given here, as `steady` and `right`. As in the program, windows
begin at every frame but the last C, and the score is the mean over windows; here those without a pixel of constant
truth are left out, and a pixel that is not labelled is never constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Map = npt.NDArray[np.integer]
WINDOWS = (8, 16)
"""Lengths of windows that VSPW reports, frames."""


@dataclass(frozen=True, slots=True)
class Consistency:
    """Means over the windows of one length, 0 to 1; NaN where no window holds a pixel of constant truth."""

    frames: int
    """Of a window."""
    windows: int
    steady: float
    """As the published program counts: one class in all frames, whichever. One class everywhere scores 1."""
    right: float
    """As the paper's formula counts: the true class in all frames."""


def video_consistency(
    frames: Iterable[tuple[Map, Map, npt.NDArray[np.bool_]]], *, windows: Sequence[int] = WINDOWS
) -> list[Consistency]:
    """VC of one film; holds two frames and two counters a pixel, whatever its length.

    Args:
        frames: of each frame the true classes, the found ones, whose numbers need not be those of the true ones, and
            where the found class is right, all (height, width). Negative numbers: not labelled, or no class found,
            which is never constant.
        windows: lengths of windows, frames.

    Raises:
        ValueError: two maps differ in size.
    """
    truth_runs, found_runs = _Runs(), _Runs()
    shares: list[list[tuple[float, float]]] = [[] for _ in windows]
    waiting: list[tuple[int, tuple[float, float]]] = []
    for count, (truth, found, right) in enumerate(frames, 1):
        for place, share in waiting:  # the window that ends with the film's last frame is not counted
            shares[place].append(share)
        waiting = []
        still, steady = truth_runs.add(truth), found_runs.add(found)
        for place, length in enumerate(windows):
            constant = still >= length
            total = np.count_nonzero(constant) if count >= length else 0
            if total:
                kept = constant & (steady >= length)
                both = np.count_nonzero(kept) / total, np.count_nonzero(kept & right) / total  # both stand still
                waiting.append((place, both))
    return [_mean(length, found) for length, found in zip(windows, shares, strict=True)]


def _mean(length: int, shares: Sequence[tuple[float, float]]) -> Consistency:
    if not shares:
        return Consistency(length, 0, float("nan"), float("nan"))
    steady, right = np.mean(shares, axis=0).tolist()
    return Consistency(length, len(shares), steady, right)


class _Runs:
    """For how many frames each pixel has had its class."""

    def __init__(self) -> None:
        self._last: Map | None = None
        self._length: npt.NDArray[np.int32] | None = None

    def add(self, frame: Map) -> npt.NDArray[np.int32]:
        """(height, width) frames up to and with this one that had the class of this one; 0 where it has none."""
        if self._last is None or self._length is None:
            self._length = np.zeros(frame.shape, np.int32)
            self._last = frame
        if frame.shape != self._last.shape:
            raise ValueError(f"frames of one film differ in size: {self._last.shape} and {frame.shape}")
        length = np.where(frame == self._last, self._length, 0) + 1
        length[frame < 0] = 0
        self._last, self._length = frame, np.asarray(length, np.int32)
        return self._length
