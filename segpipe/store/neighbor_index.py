"""A FAISS index to a file and back, for who searches what another has built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import MachineError
from segpipe.base.shortage import raise_shortage


def save_index(index: Any, path: Path) -> None:
    """Write an index, which appears whole."""
    import faiss

    with files.atomic(path) as beside:
        faiss.write_index(index, str(beside))


def load_index(path: Path) -> Any:
    """Read an index.

    Raises:
        MachineError: it is gone or damaged.
    """
    import faiss

    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        raise_shortage(path, error)
        raise MachineError(f"{path} is gone or damaged; delete its folder, then run the same command again") from error
