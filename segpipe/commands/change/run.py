"""What changed between two dates: the dates are opened, compared, and what was found is written."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.csv_files import csv_text
from segpipe.base.runtime import Track, make_runtime
from segpipe.base.version import versions
from segpipe.commands.change.comparison import MAP, POLYGONS, Comparison, compare
from segpipe.commands.change.cover_change import ChangeRow
from segpipe.commands.change.figures import change_png
from segpipe.commands.change.harmonize import harmonize
from segpipe.commands.change.measured_light import Light, measure_light
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.page import build_page, render
from segpipe.commands.change.second_date import open_surveys
from segpipe.commands.change.text import sentences
from segpipe.records.palette import hex_colors
from segpipe.store.ownership import CHANGED, locked

_FACTS = "change.json"
_COVER = (
    "site", "class", "name", "share_a", "share_b", "difference", "low", "high", "verdict", "by_drift", "by_drift_low",
    "by_drift_high", "units_a", "units_b", "units_holding",
)  # fmt: skip


@dataclass(frozen=True)
class ChangeResult:
    """What was found, and where it was written."""

    rows: tuple[ChangeRow, ...]
    summary: tuple[str, ...]
    out: Path


def change(options: ChangeOptions, track: Track) -> ChangeResult:
    """Compare two dates, and write tables, maps, a figure and a page.

    Args:
        options: what is compared, and how.
        track: shows how far the work is.

    Raises:
        SegpipeError: a run is not finished, the runs have other clusters, a table is wrong, a file is gone.
    """
    run_a = pipeline.existing_run(options.run_a)
    pipeline.require_finished(run_a, "refine")
    out = options.out
    with locked(out, CHANGED, earlier=(out / _FACTS).is_file):
        shutil.rmtree(out / MAP, ignore_errors=True)
        (out / POLYGONS).unlink(missing_ok=True)
        surveys = open_surveys(run_a, options, track)
        runtime = make_runtime(options.device, options.workers, track)
        plain = None
        if options.harmonize:
            by_drift = measure_light(surveys, (), options, runtime)
            plain = compare(surveys, lambda _: by_drift, options, track, out=None)
            surveys = surveys[0], harmonize(surveys, options, track)
        light_on = partial(measure_light, surveys, options=options, runtime=runtime)
        found = compare(surveys, light_on, options, track, out=out)
        return _write(out, found, plain, options)


def _write(out: Path, found: Comparison, plain: Comparison | None, options: ChangeOptions) -> ChangeResult:
    rows, said = found.cover.rows, sentences(found)
    legend, dates = found.surveys[0].legend, (found.surveys[0].name, found.surveys[1].name)
    files.write_text(out / "cover.csv", _cover_csv(rows))
    if plain is not None:
        files.write_text(out / "cover_before.csv", _cover_csv(plain.cover.rows))
    if found.grounds:
        files.write_text(out / "transitions.csv", _transitions_csv(found))
    files.write_bytes(out / "change.png", change_png(rows, hex_colors(legend.colors), dates))
    how = [*_settings(options, found), *versions().items()]
    files.write_text(out / "index.html", render(build_page(found, plain, [(key, str(value)) for key, value in how])))
    files.write_json(out / _FACTS, {**_facts(found, said), "settings": {key: str(value) for key, value in how}})
    return ChangeResult(rows, tuple(said), out)


def _cover_csv(rows: Sequence[ChangeRow]) -> str:
    return csv_text(_COVER, [list(asdict(row).values()) for row in rows])


def _transitions_csv(found: Comparison) -> str:
    names = found.surveys[0].legend.names
    header = ["from", "from_name", "to", "to_name", "pixels", "certain_pixels", "area_m2"]
    return csv_text(
        header,
        [
            [move.before, names[move.before], move.after, names[move.after], move.pixels, move.certain, move.area]
            for move in found.transitions
        ],
    )


def _settings(options: ChangeOptions, found: Comparison) -> list[tuple[str, Any]]:
    images = [len(survey.images) for survey in found.surveys]
    return [
        ("images", f"{images[0]} and {images[1]}"),
        ("pairs", len(found.pairs)),
        ("alignment", options.align),
        ("tolerance", f"{options.tolerance:g} pixels"),
        ("resamples of the intervals", options.n_resamples),
        ("seed", options.seed),
    ]


def _facts(found: Comparison, said: Sequence[str]) -> dict[str, Any]:
    """Everything in numbers."""
    return {
        "said": list(said),
        "dates": [survey.name for survey in found.surveys],
        "unit": found.cover.unit,
        "weight": found.cover.weight,
        "left_out": list(found.cover.alone),
        "cover": [asdict(row) for row in found.cover.rows],
        "transitions": [asdict(move) for move in found.transitions],
        "changed": None if found.changed is None else asdict(found.changed),
        "grounds": [
            {
                "first": ground.first,
                "second": ground.second,
                "box": asdict(ground.box),
                "pixel_m2": ground.pixel,
                "seen_larger": ground.larger,
                "shift": None if ground.shift is None else asdict(ground.shift),
            }
            for ground in found.grounds
        ],
        "drift": _drift_facts(found.light),
    }


def _drift_facts(light: Light) -> dict[str, Any] | None:
    drift, effect = light.drift, light.effect
    if drift is None:
        return None
    by_drift = effect.by_light.tolist() if effect is not None and effect.known else None
    return {"size": drift.size, "noise": drift.noise, "shared": drift.shared, "by_drift": by_drift}
