"""The sentences and the page of a probe of a run, from planted findings."""

import re

import numpy as np

from segpipe.commands.robustness.page import RobustnessPage, families, render
from segpipe.commands.robustness.text import sentences
from segpipe.plots.html import SkippedFiles
from segpipe.records.finding import KEPT, MIOU, Finding


def findings(name: str, family: str, unit: str, *steps: tuple[float, float | None]) -> list[Finding]:
    """At each level both measures; mIoU is half of what is kept."""
    found = []
    for level, value in steps:
        for measure, part in ((MIOU, 0.5), (KEPT, 1.0)):
            number = None if value is None else part * value
            ends = (None, None) if number is None else (number * 0.9, min(1.0, number * 1.1))
            found.append(Finding(name, family, level, unit, measure, number, *ends, images=4))
    return found


ROTATION = findings("rotation", "geometry", "degrees", (10, 0.95), (90, 0.5))
BLUR = findings("blur", "focus", "px of sigma at 480 px long side", (1, 0.99), (2, 0.9), (4, 0.85))
DARK = findings("dark", "light", "stops", (1, 0.7), (2, 0.6))
VEIL = findings("veil", "water", "m of water, Jerlov III", (1, 0.81), (2, 0.25))


def test_sentences_say_what_is_robust_and_what_is_not() -> None:
    overall, whole, up_to, none, worst = sentences([*ROTATION, *BLUR, *DARK, *VEIL])
    assert "At the weakest level of 4 corruptions the masks keep 88% of their pixels (median; 70% to 99%)" in overall
    assert "at the strongest 55% (25% to 85%)" in overall
    assert whole == "At least 80% of the pixels keep their class at every level of blur."
    assert up_to == "At least 80% of the pixels keep their class up to rotation 10° and veil 1 m."
    assert none.endswith("at the weakest level of dark.")
    assert worst.startswith("They change most under veil at 2 m of water, Jerlov III (25% of pixels kept, ")
    assert "95% interval 22% to 28%; mIoU 12%)" in worst


def test_what_was_never_seen_is_not_spoken_of() -> None:
    gone = findings("zoom-in", "geometry", "times larger", (2, None))
    assert sentences(gone) == ["No pixel could be compared: the corruptions leave nothing of these images."]
    assert all("zoom-in" not in sentence for sentence in sentences([*gone, *BLUR]))


def test_the_page_shows_of_each_family_what_changes_most() -> None:
    hue = findings("hue", "light", "degrees", (20, 0.2))
    rows = [*BLUR, *DARK, *hue]
    steps = [("", 0.0), *dict.fromkeys((row.disturbance, row.level) for row in rows)]
    pictures = {"a <b>": {step: np.full((6, 9, 3), 40, np.uint8) for step in steps}}
    made = families(rows, pictures)
    assert [(each.name, [strip.corruption for strip in each.strips]) for each in made] == [
        ("focus", ["blur"]),
        ("light", ["hue"]),
    ]
    assert [shot.note for shot in made[1].strips[0].shots] == ["original", "20 degrees"]
    skipped = SkippedFiles([("x.jpg", "gone")], 1)
    html = render(RobustnessPage("Masks & more", "intro", skipped, ["said"], made, [("seed", "0")]))
    assert "a &lt;b&gt;" in html
    assert "Masks &amp; more" in html
    assert html.count("<img ") == 2 + 4 + 2
    assert set(re.findall(r'src="([a-z]+:)', html)) == {"data:"}
