"""Image pairs to pairs.npz and back."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.records.pairs import PairIndex

NAME = "pairs.npz"


def save_pairs(pairs: PairIndex, path: Path) -> None:
    """Write `pairs.npz` into the directory `path`: `neighbors` (n, k) int64, `scores` (n, k) float32."""
    with files.atomic(path / NAME) as beside, beside.open("wb") as file:
        np.savez(file, neighbors=pairs.neighbors, scores=pairs.scores)


def load_pairs(path: Path) -> PairIndex:
    """Read `pairs.npz` from the directory `path`.

    Raises:
        UsageError: the file is missing or damaged.
    """
    try:
        with (path / NAME).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return PairIndex(arrays["neighbors"], arrays["scores"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise_shortage(path / NAME, error)
        raise UsageError(f"{path / NAME} is missing or damaged ({error}); make it again with `segpipe mine`") from error
