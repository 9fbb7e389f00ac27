"""Figures of the robustness of masks."""

from segpipe.commands.robustness.figures import family_plots, robustness_png
from segpipe.records.finding import KEPT, MIOU, Finding
from tests.helpers.svg import is_svg, texts


def findings(name: str, family: str, *values: float | None) -> list[Finding]:
    return [
        Finding(name, family, level, "px at 480 px long side", measure, value, value and value / 2, value, 3)
        for level, value in enumerate(values, 1)
        for measure in (MIOU, KEPT)
    ]


ROWS = [*findings("blur", "focus", 0.9, 0.5), *findings("noise", "focus", 0.8, None), *findings("dark", "light", 0.7)]


def test_a_figure_per_family_a_panel_per_corruption() -> None:
    focus, light = family_plots(ROWS)
    assert (focus.title, light.title) == ("focus", "light")
    assert is_svg(focus.svg)
    assert [text for text in texts(focus.svg) if text in ("blur", "noise", "dark")] == ["blur", "noise"]
    assert [text for text in texts(light.svg) if text in ("blur", "noise", "dark")] == ["dark"]
    assert {KEPT, MIOU, "none", "px at 480"} <= set(texts(focus.svg))


def test_the_sheet_is_a_png_and_the_same_for_the_same_findings() -> None:
    assert robustness_png(ROWS)[:4] == b"\x89PNG"
    assert robustness_png(ROWS) == robustness_png(ROWS)
