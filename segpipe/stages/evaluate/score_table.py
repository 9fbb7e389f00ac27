"""The table of scores that commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from segpipe.base.tables import plain_table
from segpipe.records.film_scores import VideoScores
from segpipe.records.scores import NamedMap, Scores


def score_table(found: Scores, named: NamedMap | None = None) -> Table:
    """The main scores: the map under the names of its classes if it has some, clusters beside the k-means baseline."""
    scores = found.model_dump()
    table = plain_table(f"{scores['images']} labelled images", "accuracy", "95%", "mIoU", "95%")
    baseline = scores["baseline_kmeans"]
    if named is not None:
        table.add_row("map as named", *_cells(named.model_dump()))
    for name, row in (("clusters, one to one", scores["unsupervised"]), ("k-means baseline", baseline)):
        table.add_row(name, *_cells(row))
    for name, row in (
        ("clusters, many to one", scores["many_to_one"]),
        ("k-means baseline, many to one", baseline.get("many_to_one")),
    ):
        if row:
            table.add_row(name, *_cells(row))
    for probe in ("linear_probe", "knn_probe"):
        for kind, row in (scores.get(probe) or {}).items():
            if isinstance(row, Mapping):
                table.add_row(f"{probe.replace('_', ' ')} on {kind}", *_cells(row))
    # the whole description is in scores.json and in the report
    table.caption = f"protocol {found.protocol_name}: {found.protocol.split('. ')[0].removesuffix('.')}."
    if found.guided:
        table.caption += f"\nThe classes are {found.guided}: no label-free score. {found.guide_images} were not judged."
    if found.video:
        table.caption += f"\n{_over_time(found.video)}"
    table.caption_justify = "left"
    return table


def _over_time(video: VideoScores) -> str:
    """J, F and VC of the films, in percent."""
    mean, films = video.mean, len(video.films)
    windows = [
        f"VC{length} {_percent(vc.steady)} (right {_percent(vc.right)}, chance {_percent(vc.chance)}, constant map 100)"
        for length, vc in ((8, video.vc8), (16, video.vc16))
        if vc
    ]
    objects = f"J {_percent(mean.j)}, F {_percent(mean.f)}, J&F {_percent(mean.jf)}"
    return "; ".join([f"{films} {'film' if films == 1 else 'films'}: {objects}", *windows]) + "."


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [cell for key in ("accuracy", "miou") for cell in (_percent(row.get(key)), _interval(row.get(f"{key}_ci")))]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _interval(value: Sequence[float] | None) -> str:
    return "" if not value else f"{100 * value[0]:.1f} to {100 * value[1]:.1f}"
