"""Reuse of finished masks: the start of masks that differ by splits of clusters alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segpipe.base.errors import UsageError
from segpipe.records.clusters import Split
from segpipe.records.palette import nodata
from segpipe.store import masks
from segpipe.store.clusters import load_splits, save_splits

_MADE = "made.npz"
"""In `masks/`: what the masks would be made from without splits, and the splits."""


@dataclass(frozen=True, slots=True)
class ReusableMasks:
    """Finished masks that differ from those wanted by splits alone."""

    directory: Path
    classes: int
    """Of these masks."""
    undone: tuple[Split, ...]
    """Splits that these masks have and those wanted have not, in their order."""
    left: tuple[Split, ...]
    """Splits that those wanted have beyond these."""

    def read(self, path: Path, classes: int) -> masks.Mask:
        """One of the masks, below `directory`, without the splits to undo, in the type of a mask of `classes`.

        Raises:
            UsageError: it is missing or damaged.
        """
        values = np.arange(nodata(self.classes) + 1)
        for split in reversed(self.undone):
            values[split.numbers] = values[split.cluster]
        values[nodata(self.classes)] = nodata(classes)
        mask = masks.read_mask(path)
        if nodata(classes) == 255:
            return values.astype(np.uint8)[mask]
        return values.astype(np.uint16)[mask]


def save_made(directory: Path, origin: str, splits: Sequence[Split]) -> None:
    """Note beside masks what they are made from."""
    save_splits(splits, directory / _MADE, of=origin)


def find_reusable(directory: Path, origin: str, splits: Sequence[Split]) -> ReusableMasks | None:
    """The masks in a directory, where they come from `origin` too; None where there are none, others, or the very same.

    Args:
        directory: of finished masks, or not there.
        origin: digest of all that decides on masks but splits.
        splits: those wanted.
    """
    try:
        found, there = load_splits(directory / _MADE)
        classes = int(masks.load_header(directory)["classes"])
    except UsageError:
        return None
    if found != origin:
        return None
    common = 0
    while common < min(len(there), len(splits)) and _key(there[common]) == _key(splits[common]):
        common += 1
    undone, left = there[common:], tuple(splits[common:])
    if not undone and not left:
        return None  # who asks for the same wants it made
    return ReusableMasks(directory, classes, undone, left)


def _key(split: Split) -> Mapping[str, Any]:
    return {
        "cluster": split.cluster,
        "first": split.first,
        "centers": split.centers.tobytes(),
        "members": split.members.tolist(),
    }
