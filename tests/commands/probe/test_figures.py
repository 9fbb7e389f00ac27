"""Figures of a probe of images: every curve by its name, the same bytes for the same findings."""

import numpy as np

from segpipe.commands.probe import figures
from segpipe.commands.probe.names import (
    ALL_ROLLS,
    ANOTHER,
    BESIDE,
    CENTER,
    CENTER_INNER,
    CROP,
    DRAWN,
    HALF_BLUR,
    OVERLAP,
    PATCH,
    PICTURE,
    ROLL,
    SHARP,
    FindingTable,
)
from segpipe.records.finding import Finding
from tests.helpers.svg import is_svg, texts


def one(name: str, level: float, measure: str, value: float | None = 0.5) -> Finding:
    return Finding(name, "family", level, "px at 480 px long side", measure, value, 0.4, 0.6, 9)


def drawn(encoded: dict[str, bytes]) -> list[str]:
    assert is_svg(encoded["svg"])
    assert encoded["png"][:4] == b"\x89PNG"
    return texts(encoded["svg"])


def test_the_center_figure_shows_what_was_measured() -> None:
    found = FindingTable([one(ROLL, 0, CENTER), one(ALL_ROLLS, 16, CENTER), one(ALL_ROLLS, 16, CENTER_INNER)])
    shown = drawn(figures.center_figure(found, np.ones((8, 8))))
    assert {"as they are", "all 16 rolls", "all, without seams", "times a uniform map"} <= set(shown)
    assert "rolled by half" not in shown


def test_the_focus_figure_has_a_tick_for_every_level() -> None:
    shown = drawn(figures.focus_figure(FindingTable([one(HALF_BLUR, level, SHARP) for level in (1, 2, 4)])))
    assert {"1", "2", "4", "share of the sharp half, %"} <= set(shown)


def test_the_artefact_figure_names_artefacts_and_the_crop() -> None:
    rows = [one(f"{name}-strip", level, m) for name in ("text", "lines") for level in (1, 2) for m in (DRAWN, BESIDE)]
    shown = drawn(figures.artefact_figure(FindingTable(rows)))
    assert {"text", "lines", "weakest", "strongest"} <= set(shown)
    assert "strip cropped away" not in shown
    assert "strip cropped away" in drawn(figures.artefact_figure(FindingTable([*rows, one(CROP, 0.25, BESIDE)])))


def test_the_agreement_figure_has_a_panel_per_corruption() -> None:
    names = ["blur", "noise", "rotation", "hue", "dark"]
    rows = [one(name, level, m) for name in (*names, ANOTHER) for level in (1, 2) for m in (OVERLAP, PATCH, PICTURE)]
    encoded = figures.agreement_figure(FindingTable(rows))
    shown = drawn(encoded)
    assert [text for text in shown if text in (*names, ANOTHER)] == names
    assert {"map", "patches", "image"} <= set(shown)
    assert "px at 480 px" in shown
    assert figures.agreement_figure(FindingTable(rows)) == encoded
