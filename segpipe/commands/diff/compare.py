"""What `segpipe diff` says of two runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from segpipe.base.config import Section
from segpipe.base.geometry import Size, tiles
from segpipe.base.tables import plain_table
from segpipe.store.masks import load_header, load_index, read_part
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_scores

_PIECE = 8192  # pixels: a photograph is read at once


def compare(a: RunDir, b: RunDir, settings_a: Mapping[str, Section], settings_b: Mapping[str, Section]) -> Group:
    """Settings, scores and masks of two runs, side by side."""
    parts: list[Any] = [_settings(settings_a, settings_b), ""]
    if a.has("scores") and b.has("scores"):
        parts += [_scores(*(load_scores(run.path("scores")).model_dump() for run in (a, b))), ""]
    if a.has("masks") and b.has("masks"):
        parts.append(_agreement(a, b))
    return Group(*parts)


def _settings(a: Mapping[str, Section], b: Mapping[str, Section]) -> Table | str:
    table = plain_table("setting", "A", "B")
    for name in a:
        first, second = a[name].model_dump(mode="json"), b[name].model_dump(mode="json")
        for key in first:
            if first[key] != second[key]:
                table.add_row(f"{name}.{key}", str(first[key]), str(second[key]))
    return table if table.row_count else "the settings are the same"


def _scores(a: Mapping[str, Any], b: Mapping[str, Any]) -> Table:
    table = plain_table("score", "A", "B", "B - A")
    if a["protocol_name"] != b["protocol_name"]:  # such numbers cannot be compared
        table.add_row("protocol", a["protocol_name"], b["protocol_name"], "differs")
    for group, key in (
        ("unsupervised", "accuracy"),
        ("unsupervised", "miou"),
        ("many_to_one", "accuracy"),
        ("many_to_one", "miou"),
        ("baseline_kmeans", "accuracy"),
        ("baseline_kmeans", "miou"),
    ):
        first, second = a[group][key], b[group][key]
        table.add_row(f"{group} {key}", f"{first:.4f}", f"{second:.4f}", f"{second - first:+.4f}")
    return table


def _agreement(a: RunDir, b: RunDir) -> str:
    """Share of pixels on which the masks agree once the clusters of A are matched one to one to those of B."""
    rows_a, rows_b = ({row["id"]: row for row in load_index(run.path("masks"))} for run in (a, b))
    classes_a, classes_b = (int(load_header(run.path("masks"))["classes"]) for run in (a, b))
    counts = np.zeros((classes_a, classes_b), np.int64)
    compared = 0
    for name in rows_a.keys() & rows_b.keys():
        first, second = rows_a[name], rows_b[name]
        size = Size(first["height"], first["width"])
        if size != Size(second["height"], second["width"]):
            continue
        compared += 1
        for box in tiles(size, _PIECE):
            own, other = (
                read_part(run.path("masks"), row, box).astype(np.int64) for run, row in ((a, first), (b, second))
            )
            seen = (own < classes_a) & (other < classes_b)
            pairs = own[seen] * classes_b + other[seen]
            counts += np.bincount(pairs, minlength=classes_a * classes_b).reshape(classes_a, classes_b)
    if not counts.any():
        return "masks: the runs have no image in common"
    agree = counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum()
    return f"masks: {100 * agree:.2f}% of the pixels of {compared} common images agree (clusters matched one to one)"
