"""Training log: history.jsonl, histograms.npz, and TensorBoard events where that package is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shown import quoted, shorten
from segpipe.store.tensorboard_events import Events

_HISTORY, _HISTOGRAMS, _EVENTS = "history.jsonl", "histograms.npz", "tb"

Int64 = npt.NDArray[np.int64]


class Journal:
    """Rows of numbers and histograms by step; kept in memory (they are small) and written whole.

    histograms.npz: `steps` (m,), `edges` (bins + 1,), and for every series its counts (m, bins).
    """

    def __init__(self, path: Path, edges: npt.NDArray[np.float64], *, done: int, events: bool) -> None:
        """Start a journal in the directory `path`, or go on with the one that is there.

        Args:
            path: the directory `head/`.
            edges: of the histograms' bins.
            done: steps that count as done; what the files hold of later ones is forgotten.
            events: write TensorBoard events too, if the package is installed.
        """
        self._path, self._edges = path, edges
        self.rows: list[dict[str, float]] = []
        self._histograms: dict[int, dict[str, Int64]] = {}
        if done and (path / _HISTORY).exists():
            self.rows = [row for row in load_history(path) if row["step"] < done]
        if done and (path / _HISTOGRAMS).exists():
            steps, _, counts = load_histograms(path)
            kept = [(i, step) for i, step in enumerate(steps.tolist()) if step < done]
            self._histograms = {step: {name: series[i] for name, series in counts.items()} for i, step in kept}
        self._events = _open_events(path / _EVENTS, done) if events else None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers at a step."""
        self.rows.append({"step": step, **values})
        if self._events is not None:
            for name, value in values.items():
                self._events.add(name.replace("_", "/", 1), value, step)
            self._events.flush()  # people watch

    def add_histograms(self, step: int, counts: Mapping[str, Int64]) -> None:
        """Log histograms, counts (bins,) of each series, at a step; every step logs the same series."""
        self._histograms[step] = dict(counts)

    def save(self) -> None:
        """Write both files, each atomically."""
        files.write_jsonl(self._path / _HISTORY, self.rows)
        steps = sorted(self._histograms)
        names = list(self._histograms[steps[0]]) if steps else []
        series = {name: np.stack([self._histograms[step][name] for step in steps]) for name in names}
        with files.atomic(self._path / _HISTOGRAMS) as beside, beside.open("wb") as file:
            np.savez(file, allow_pickle=False, steps=np.array(steps, np.int64), edges=self._edges, **series)


def load_history(path: Path) -> list[dict[str, float]]:
    """The logged rows of `head/`, each with its `step`.

    Raises:
        UsageError: the file is missing or damaged.
    """
    file = path / _HISTORY
    try:
        rows = files.read_jsonl(file)
        for row in rows:
            if "step" not in row or not all(type(value) in (int, float) for value in row.values()):
                raise ValueError(f"{quoted(row)} is no row of numbers with a step")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} is missing or damaged ({shorten(str(error), 160)}); make it again with `segpipe train`"
        ) from error
    return rows


def load_histograms(path: Path) -> tuple[Int64, npt.NDArray[np.float64], dict[str, Int64]]:
    """The histograms of `head/`: steps (m,), edges (bins + 1,), and counts (m, bins) by series."""
    with np.load(path / _HISTOGRAMS, allow_pickle=False) as arrays:
        counts = {name: arrays[name] for name in arrays if name not in ("steps", "edges")}
        return arrays["steps"], arrays["edges"], counts


def count(
    values: Sequence[npt.NDArray[np.floating]] | npt.NDArray[np.floating], edges: npt.NDArray[np.float64]
) -> Int64:
    """Histogram counts (bins,) of all values; those outside go to the first or last bin."""
    return np.histogram(np.clip(np.ravel(values), edges[0], edges[-1]), edges)[0].astype(np.int64)


def _open_events(path: Path, done: int) -> Events | None:
    return Events(path, done=done) if importlib.util.find_spec("tensorboard") else None
