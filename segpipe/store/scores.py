"""Scores to files and back: scores.json, images.jsonl, confusion.csv, counts.npz."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.csv_files import csv_text, read_back
from segpipe.base.errors import UsageError
from segpipe.base.printable import readable
from segpipe.base.shortage import raise_shortage
from segpipe.records.scores import Confusion, ImageScore, LabelCounts, PointScore, Scores, confusion_of
from segpipe.store.array_files import load_arrays

_SCORES, _IMAGES, _CONFUSION, _COUNTS = "scores.json", "images.jsonl", "confusion.csv", "counts.npz"
_CELLS = ("image", "label", "cluster", "count")
_NO_DATA = "no data"

T = TypeVar("T")


def save_scores(scores: Scores, images: Sequence[ImageScore], confusion: npt.NDArray[np.int64], path: Path) -> None:
    """Write the three files into `path`.

    Args:
        scores: becomes scores.json.
        images: becomes images.jsonl.
        confusion: (classes, clusters + 1) pixels, last column no data; becomes confusion.csv, rows named by label.
        path: the directory `scores/`.
    """
    header = ["label", *(f"cluster {k}" for k in range(confusion.shape[1] - 1)), _NO_DATA]
    rows = ([name, *row] for name, row in zip(scores.classes, confusion.tolist(), strict=True))
    files.write_text(path / _CONFUSION, csv_text(header, rows))
    files.write_jsonl(path / _IMAGES, (image.model_dump(mode="json") for image in images))
    files.write_json(path / _SCORES, scores.model_dump(mode="json"))


def save_points(points: Iterable[PointScore], path: Path) -> None:
    """Write points.csv into the directory `scores/`, a line per labelled point; nothing where there are none."""
    rows = [
        [readable(p.image), p.row, p.column, p.label, "" if p.cluster < 0 else p.cluster, p.matched or "",
         "yes" if p.right else "no"]
        for p in points
    ]  # fmt: skip
    if rows:
        header = ["image", "row", "column", "label", "cluster", "matched", "right"]
        files.write_text(path / "points.csv", csv_text(header, rows))


def save_counts(found: LabelCounts, path: Path) -> None:
    """Write counts.npz into the directory `scores/`: what scores under other names of the clusters are made of."""
    counts = found.counts
    with files.atomic(path / _COUNTS) as beside, beside.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            shape=np.array([counts.images, counts.classes, counts.clusters], np.int64),
            together=found.together,
            bootstrap=np.array([found.resamples, found.seed], np.int64),
            **{name: getattr(counts, name) for name in _CELLS},
        )


def load_counts(path: Path) -> LabelCounts:
    """Read counts.npz; of a run that has none yet, the counts of all images together, which have no interval.

    Raises:
        UsageError: the file is missing or damaged.
    """
    file = path / _COUNTS
    if not file.exists():
        return LabelCounts(confusion_of(load_confusion(path)[1]), np.zeros(1, np.int64), 0, 0)
    try:
        arrays = load_arrays(file)
        counts = Confusion(*arrays["shape"].tolist(), *(arrays[name] for name in _CELLS))
        return LabelCounts(counts, arrays["together"], *arrays["bootstrap"].tolist())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise_shortage(file, error)
        raise UsageError(f"{file} is missing or damaged; run `segpipe evaluate` again") from error


def load_scores(path: Path) -> Scores:
    """Read scores.json.

    Raises:
        UsageError: the file is missing or damaged.
    """
    return _checked(Scores.model_validate_json, path / _SCORES)


def load_image_scores(path: Path) -> list[ImageScore]:
    """Read images.jsonl.

    Raises:
        UsageError: the file is missing or damaged.
    """
    return _checked(
        lambda text: [ImageScore.model_validate(files.parse_json(line)) for line in text.split("\n") if line],
        path / _IMAGES,
    )


def load_confusion(path: Path) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Read confusion.csv: class names and the (classes, clusters + 1) counts, last column no data.

    Raises:
        UsageError: the file is missing or damaged.
    """

    def parse(text: str) -> tuple[list[str], npt.NDArray[np.int64]]:
        header, *rows = read_back(text)
        counts = np.array([[int(value) for value in row[1:]] for row in rows], np.int64)
        return [row[0] for row in rows], counts.reshape(len(rows), len(header) - 1)

    return _checked(parse, path / _CONFUSION)


def _checked(parse: Callable[[str], T], path: Path) -> T:
    try:
        return parse(files.read_text(path))
    except (OSError, ValueError) as error:  # ValidationError is a ValueError
        raise_shortage(path, error)
        raise UsageError(f"{path} is missing or damaged; run `segpipe evaluate` again") from error
