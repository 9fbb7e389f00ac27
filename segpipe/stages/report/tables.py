"""Tables of a report: rows from the manifest, the scores and the cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.records.candidates import Candidate
from segpipe.records.class_names import fold
from segpipe.records.cover import Cover
from segpipe.records.manifest import Manifest
from segpipe.records.scores import NamedMap, Pair, Scores

HIDDEN = {"fingerprint", "notes"}
"""Parts of a summary that say nothing to a reader, or stand elsewhere on the page."""


def class_names(classes: int, matching: Mapping[str, str | None]) -> list[str]:
    """Names of the found classes: the number, and the labelled class it was matched with.

    >>> class_names(2, {"0": "sand", "1": None})
    ['0 · sand', 'class 1']
    """
    matched = [matching.get(str(k)) for k in range(classes)]
    return [f"class {k}" if name is None else f"{k} · {name}" for k, name in enumerate(matched)]


def label_clusters(matching: Mapping[str, str | None]) -> dict[str, int]:
    """For each matched labelled class the number of its found class.

    >>> label_clusters({"0": "sand", "1": None})
    {'sand': 0}
    """
    return {name: int(number) for number, name in matching.items() if name is not None}


def score_tables(scores: Scores, named: NamedMap | None, colors: Mapping[str, str]) -> dict[str, Any]:
    """The scores of the run beside those of the baseline.

    Args:
        scores: of the run.
        named: of the map under its names, where it has some.
        colors: `#rrggbb` of the class that a label is compared with, by the label's name; none for labels without one.

    Returns:
        `rows`: one per measure, with `ours` and `baseline` pairs and their intervals; `iou`: one per
        labelled class that has pixels, in the order of the labels; `named`: whether that is of the named map.
    """
    ours, baseline, nothing = scores.unsupervised, scores.baseline_kmeans, Pair(accuracy=None, miou=None)
    linear, knn = scores.linear_probe, scores.knn_probe
    probed = "trained on labels, tested on other images: how much information the vectors hold"
    asked = "each class of the map under the name that you gave it; what has no name of a label is an error"
    strict = "each cluster stands for at most one labelled class; all its other pixels are errors"
    generous = "each cluster stands for the labelled class that it overlaps most"
    rows = [_row("Map as named", asked, named, nothing)] if named else []
    rows += [
        _row("Unsupervised, one-to-one", strict, ours, baseline),
        _row("Unsupervised, many-to-one", generous, scores.many_to_one, baseline.many_to_one),
        _row("Linear probe", linear.reason or probed, linear.codes, linear.features),
        _row("k-NN probe", knn.reason or probed, knn.codes, knn.features),
    ]
    rated = (named or ours).per_class_iou
    iou = [
        {
            "name": name,
            "color": colors.get(name),
            "ours": rated[name],
            "baseline": baseline.per_class_iou.get(name),
        }
        for name in scores.classes
        if rated.get(name) is not None
    ]
    return {
        "rows": rows,
        "iou": iou,
        "named": named is not None,
        "images": scores.images,
        "pixels": scores.labelled_pixels,
        "protocol_name": scores.protocol_name,
        "protocol": scores.protocol,
    }


def _row(name: str, note: str, ours: Pair, baseline: Pair) -> dict[str, Any]:
    cells = []
    for measure in ("accuracy", "miou"):
        values = [getattr(pair, measure) for pair in (ours, baseline)]
        known = [value for value in values if value is not None]
        for pair, value in zip((ours, baseline), values, strict=True):
            best = len(known) == 2 and value == max(known) != min(known)
            cells.append({"value": value, "interval": getattr(pair, f"{measure}_ci", None), "best": best})
    return {"name": name, "note": note, "cells": cells}


def order_confusion(
    labels: Sequence[str], counts: npt.NDArray[np.int64], matching: Mapping[str, str | None]
) -> tuple[npt.NDArray[np.int64], list[int], list[int]]:
    """Sort a confusion matrix so that matched pairs lie on the diagonal.

    Args:
        labels: names of the rows.
        counts: (labels, clusters + 1), the last column is no data.
        matching: class name by cluster number.

    Returns:
        The sorted counts; rows as indices into `labels`, those without a labelled pixel left out; columns as cluster
        numbers, matched ones first in the order of the rows, the rest by size; no data only where it holds pixels.
    """
    rows = [i for i in range(len(labels)) if counts[i].any()]
    clusters = label_clusters(matching)
    first = [clusters[labels[i]] for i in rows if labels[i] in clusters]
    last = counts.shape[1] - 1
    totals = counts.sum(axis=0)
    rest = sorted((k for k in range(last) if k not in first and totals[k]), key=lambda k: -int(totals[k]))
    columns = first + rest + ([last] if totals[last] else [])
    # rows with a partner come first, so that the diagonal starts in the corner
    rows.sort(key=lambda i: labels[i] not in clusters)
    return counts[np.ix_(rows, columns)], rows, columns


def cover_rows(cover: Cover) -> list[dict[str, Any]]:
    """The classes over all images: name, color, share, interval, and area where it is known."""
    return [
        {
            "name": row.name,
            "color": color,
            "share": row.share,
            "interval": None if row.low is None else (row.low, row.high),
            "area": None if row.area is None else area_text(row.area),
        }
        for row, color in zip(cover.whole.shares, cover.colors, strict=True)
    ]


def corrected_rows(cover: Cover) -> list[dict[str, Any]]:
    """The labels: name, color of the class of that name, labelled pixels, share on the map, corrected, interval."""
    if cover.correction is None:
        return []
    colors = {fold(name): color for name, color in zip(cover.classes, cover.colors, strict=True)}
    return [
        {
            "name": row.label,
            "color": colors.get(fold(row.label)),
            "pixels": row.pixels,
            "raw": row.raw,
            "share": row.share,
            "interval": None if row.low is None else (row.low, row.high),
        }
        for row in cover.correction.labels
    ]


def area_text(area: float) -> str:
    """Square meters as a reader would write them.

    >>> area_text(0.0123), area_text(0.29), area_text(1456.78), area_text(20000), area_text(123456789)
    ('123 cm²', '0.29 m²', '1457 m²', '2 ha', '123 km²')
    """
    for unit, size, least in (("km²", 1e6, 1e6), ("ha", 1e4, 1e4), ("m²", 1.0, 0.1)):
        if area >= least:
            return f"{area / size:.{0 if area / size >= 100 else 3}{'f' if area / size >= 100 else 'g'}} {unit}"
    return f"{area * 1e4:.3g} cm²"


def candidate_rows(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """The heads that were made: name, neighbor agreement, steps, how its training ended, and why it was kept or not."""
    rows = []
    for found in candidates:
        shifts = ", ".join(f"{kind} {value:.3f}" for kind, value in found.shifts.items())
        fall = found.collapsed
        notes = [
            found.why,
            f"codes of random pairs had a mean cosine of {fall.value:.2f} at step {fall.step}" if fall else "",
            "" if found.center else "features as they are, not centered",
            f"shifts {shifts}" if shifts else "",
        ]
        rows.append(
            {
                "name": found.name,
                "chosen": found.chosen,
                "agreement": "–" if found.agreement is None else f"{found.agreement:.3f}",
                "steps": text(found.steps) if found.steps else "no training",
                "note": "; ".join(note for note in notes if note),
            }
        )
    return rows


def stage_rows(manifest: Manifest, order: Sequence[str]) -> list[dict[str, Any]]:
    """Finished stages in the order of the pipeline: seconds, share of the longest, when, and what each found."""
    done = [(name, manifest.stages[name]) for name in order if name in manifest.stages]
    longest = max((record.seconds for _, record in done), default=0.0)
    return [
        {
            "name": name,
            "seconds": record.seconds,
            "share": record.seconds / longest if longest else 0.0,
            "finished": record.finished.replace("T", " ").removesuffix("+00:00"),
            "found": [
                (key.replace("_", " "), text(value)) for key, value in record.summary.items() if _short(key, value)
            ],
        }
        for name, record in done
    ]


def _short(key: str, value: Any) -> bool:
    if key in HIDDEN:
        return False
    if isinstance(value, dict | list | tuple):
        return 0 < len(value) <= 4 and not any(isinstance(part, dict | list) for part in value)
    return value is not None


def setting_rows(manifest: Manifest, order: Sequence[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The settings of each finished stage that its result depends on."""
    return [
        (name, [(key, text(value)) for key, value in manifest.stages[name].parts.get("settings", {}).items()])
        for name in order
        if name in manifest.stages and manifest.stages[name].parts.get("settings")
    ]


def version_rows(manifest: Manifest) -> list[tuple[str, str]]:
    """Packages with their versions; where stages ran under several, all of them."""
    found: dict[str, dict[str, None]] = {}
    for record in manifest.stages.values():
        for name, version in record.versions.items():
            found.setdefault(name, {})[version] = None
    return [(name, ", ".join(versions)) for name, versions in found.items()]


def machine_rows(manifest: Manifest) -> list[tuple[str, str]]:
    """Device, workers and platform; where stages ran on several, all of them."""
    found: dict[str, dict[str, None]] = {}
    for record in manifest.stages.values():
        for name, value in record.machine.items():
            found.setdefault(name, {})[text(value)] = None
    return [(name, ", ".join(values)) for name, values in found.items()]


def text(value: Any) -> str:
    """A JSON value as a reader would write it.

    >>> text(None), text(True), text(0.123456789), text([1, 2]), text(1234), text("")
    ('none', 'yes', '0.1235', '1, 2', '1234', '(empty)')
    """
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f") if abs(value) >= 10_000 else str(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {text(part)}" for key, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value)) or "none"
    return str(value) or "(empty)"
