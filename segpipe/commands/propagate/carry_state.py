"""How far a film has come: what an interrupted call goes on from, written whole every so many frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.store.checkpoints import load_tensors, save_tensors

_TENSORS, _JOURNAL = "context.safetensors", "frames.jsonl"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame that waits for the next key frame."""

    index: int
    seconds: float | None
    height: int
    width: int


@dataclass
class Progress:
    """Where the work stands, beside the tensors of the context."""

    upcoming: int
    """The number of the next frame to read."""
    key: int | None = None
    """The last key frame that was reached."""
    before: int | None = None
    """The key frame before that; None where there is none."""
    waiting: list[Waiting] = field(default_factory=list)
    """Frames in the scratch file, in their order."""
    back: int = 0
    """How many of these are still to be carried to, from `key` backward; 0: none, `waiting` wait for a key frame."""
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Path and reason of what could not be read."""
    ended: bool = False
    """Whether the last frame was read."""


@dataclass(frozen=True)
class FrameRow:
    """What is said of a finished frame."""

    frame: int
    seconds: float | None
    confidence: float
    key: bool
    size: tuple[int, int]
    """Height and width."""
    pixels: Mapping[int, int]
    """By class; those without a class are in none."""
    overlap: Mapping[int, float]
    """By class: the overlap with the truth that is to be expected; of key frames 1."""


class StateFolder:
    """The folder of the state: a checkpoint, and a line for every frame that is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> tuple[Progress, dict[str, Tensor]] | None:
        """The last checkpoint; None where there is none, or none that is whole."""
        path = self.folder / _TENSORS
        if not path.is_file():
            return None
        try:
            tensors, facts = load_tensors(path, sealed=True)
        except UsageError:
            return None
        progress = Progress(**{**facts, "waiting": [Waiting(**each) for each in facts["waiting"]]})
        progress.rejected = [(path, reason) for path, reason in progress.rejected]
        return progress, tensors

    def save(self, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
        """Write a checkpoint, whole or not at all."""
        save_tensors(self.folder / _TENSORS, tensors, asdict(progress), sealed=True)

    def rows(self) -> dict[int, FrameRow]:
        """The frames that are done, by their numbers; a line that was cut off is left out, and taken from the file."""
        path, found = self.folder / _JOURNAL, dict[int, FrameRow]()
        lines = files.read_text(path).splitlines() if path.exists() else []
        for line in lines:
            try:
                found_row = _row(files.parse_json(line))
            except (ValueError, TypeError, KeyError):  # the last line of a call that was killed
                continue
            found[found_row.frame] = found_row
        files.write_jsonl(path, map(asdict, found.values()))
        return found

    def append(self, row: FrameRow) -> None:
        """Note a frame that is done; its files are whole."""
        with (self.folder / _JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(asdict(row)) + "\n")


def _row(entry: dict[str, Any]) -> FrameRow:
    height, width = entry["size"]
    pixels = {int(name): int(count) for name, count in entry["pixels"].items()}
    overlap = {int(name): float(share) for name, share in entry["overlap"].items()}
    return FrameRow(**{**entry, "size": (height, width), "pixels": pixels, "overlap": overlap})
