"""What is logged while a backbone is trained: history.jsonl, a row every ten steps, its curves, TensorBoard events."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from segpipe.base import files
from segpipe.base.errors import MachineError, named
from segpipe.base.shortage import raise_shortage
from segpipe.commands.pretrain.training_curves import CURVES, curves_png
from segpipe.store.tensorboard_events import Events

HISTORY, EVENTS = "history.jsonl", "tb"
EVERY = 10
"""Steps from row to row; the last step has one too."""


class TrainingHistory:
    """Rows of numbers by step, appended as they come: people watch."""

    def __init__(self, out: Path, *, done: int, events: bool) -> None:
        """Begin, or go on after the row of the last step that counts.

        Args:
            out: the folder OUT.
            done: steps that count as done; rows of later ones are forgotten.
            events: whether to write TensorBoard events.

        Raises:
            MachineError: events are asked for, and tensorboard is not installed.
        """
        self._path = out / HISTORY
        self.rows = [row for row in read_history(out) if row["step"] < done]
        files.write_jsonl(self._path, self.rows)
        try:
            self._events = Events(out / EVENTS, done=done) if events else None
        except ImportError as error:
            raise MachineError(
                f"{named('tensorboard', True)} needs the package tensorboard; install it, or leave the option out"
            ) from error

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Log a row; what is not finite is left out.

        Raises:
            MachineError: there is no room.
        """
        row = {"step": step, **{name: value for name, value in values.items() if isfinite(value)}}
        self.rows.append(row)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            if self._events is not None:
                for name, value in row.items():
                    self._events.add(name, value, step)
                self._events.flush()
        except OSError as error:
            raise_shortage(self._path, error)
            raise

    def draw(self) -> None:
        """Draw the curves of the rows so far.

        Raises:
            MachineError: there is no room.
        """
        files.write_bytes(self._path.with_name(CURVES), curves_png(self.rows))


def read_history(out: Path) -> list[dict[str, float]]:
    """The rows that can be read: the last one may be cut off where the process was killed."""
    try:
        lines = files.read_text(out / HISTORY).splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            row = files.parse_json(line)
        except ValueError:
            break
        if not isinstance(row, dict) or "step" not in row:
            break
        rows.append(row)
    return rows


def peak_memory(device: str) -> float:
    """Gigabytes that this process held at most: on its GPU, or in memory; 0 where a system does not say."""
    import torch

    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1e9 if sys.platform == "darwin" else used * 1024 / 1e9
