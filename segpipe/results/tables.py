"""Tables of a run: a row is a dict; pandas, where it is installed, makes a DataFrame of them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from segpipe.records.cover import Part
from segpipe.records.scores import Pair
from segpipe.results.reader import RunReader
from segpipe.store import masks

Rows = list[dict[str, Any]]
_MAY_LACK = (
    "share", "low", "high", "area", "accuracy", "accuracy_low", "accuracy_high", "miou", "miou_low", "miou_high",
)  # fmt: skip
"""Columns of numbers that may be None."""


def table(rows: Rows, columns: Sequence[str]) -> Any:
    """A pandas.DataFrame of the rows where pandas is installed, else the rows themselves.

    Args:
        rows: dicts with the keys `columns`.
        columns: their order, which an empty table has too.
    """
    try:
        pandas: Any = importlib.import_module("pandas")
    except ImportError:
        return rows
    frame = pandas.DataFrame(rows, columns=list(columns))
    return frame.astype({name: float for name in columns if name in _MAY_LACK})  # None to NaN


IMAGE_COLUMNS = ("id", "path", "size", "site")


def image_rows(reader: RunReader) -> Rows:
    """A row per image; sites as `segpipe cover` found them."""
    corpus = reader.corpus
    sites = {part.name: part.site for part in reader.cover.images} if "cover" in reader.finished() else {}
    return [
        {
            "id": image.id,
            "path": str(corpus.path(image)),
            "size": (image.size.height, image.size.width),
            "site": sites.get(image.id),
        }
        for image in corpus.images
    ]


CLASS_COLUMNS = ("number", "name", "color", "share", "pixels", "images", "clusters")


def class_rows(reader: RunReader) -> Rows:
    """A row per class of the map, by its number; shares are of all pixels that have a class."""
    legend = reader.legend
    with reader.reading("refine", reader.folder("refine") / "index.jsonl"):
        pixels, images = masks.count_classes(reader.mask_index.values(), legend)
    total = int(pixels.sum())
    return [
        {
            "number": number,
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*color),
            "share": int(count) / total if total else 0.0,
            "pixels": int(count),
            "images": int(holding),
            "clusters": tuple(clusters),
        }
        for number, (name, color, count, holding, clusters) in enumerate(
            zip(legend.names, legend.colors.tolist(), pixels, images, legend.clusters_of, strict=True)
        )
    ]


COVER_COLUMNS = ("number", "name", "share", "low", "high", "pixels", "area")
SITE_COLUMNS = ("site", "images", *COVER_COLUMNS)


def cover_rows(reader: RunReader) -> Rows:
    """A row per class: cover of all images."""
    return _shares(reader.cover.whole)


def site_rows(reader: RunReader) -> Rows:
    """A row per site and class."""
    return [{"site": part.name, "images": part.images, **row} for part in reader.cover.sites for row in _shares(part)]


def _shares(part: Part) -> Rows:
    return [share.model_dump() for share in part.shares]


SCORE_COLUMNS = ("score", "accuracy", "accuracy_low", "accuracy_high", "miou", "miou_low", "miou_high")


def score_rows(reader: RunReader) -> Rows:
    """A row per way of judging; None where nothing was measured, or has no interval."""
    scores = reader.scores
    named = reader.named_scores
    pairs: dict[str, Pair] = {} if named is None else {"map as named": named}
    pairs |= {
        "one-to-one": scores.unsupervised,
        "many-to-one": scores.many_to_one,
        "linear probe on codes": scores.linear_probe.codes,
        "linear probe on features": scores.linear_probe.features,
        "k-NN probe on codes": scores.knn_probe.codes,
        "k-NN probe on features": scores.knn_probe.features,
        "k-means baseline, one-to-one": scores.baseline_kmeans,
        "k-means baseline, many-to-one": scores.baseline_kmeans.many_to_one,
    }
    return [{"score": name, **_measured(pair)} for name, pair in pairs.items()]


def _measured(pair: Pair) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for measure in ("accuracy", "miou"):
        interval: Any = getattr(pair, f"{measure}_ci", None)
        low, high = interval or (None, None)
        found |= {measure: getattr(pair, measure), f"{measure}_low": low, f"{measure}_high": high}
    return found
