"""Sentences of the report."""

from __future__ import annotations

import pytest

from segpipe.records.features import FeatureHeader
from segpipe.stages.report import text

HEADER = FeatureHeader("dino", "key", (11,), 224, 16, 384, "mean", False)


@pytest.mark.parametrize(
    ("groups", "of", "total", "scored", "start"),
    [
        ({"all": 1}, 1, 1, False, "The one image, ordered by how well"),
        ({"all": 3}, 3, 3, True, "All 3 labelled images, ordered by pixel accuracy"),
        ({"worst": 4, "median": 4, "best": 4}, 40, 40, False, "From 40 images ordered by how well"),
        ({"worst": 1, "median": 2, "best": 1}, 600, 50000, False, "From 600 of the 50\u202f000 images"),
        ({"median": 1}, 9, 9, True, "From 9 labelled images"),
    ],
)
def test_the_rule_says_from_what_was_chosen(
    groups: dict[str, int], of: int, total: int, scored: bool, start: str
) -> None:
    rule = text.rule(groups, of=of, total=total, scored=scored)
    assert rule.startswith(start)
    assert rule.endswith(".")
    assert set(text.group_titles(scored)) >= set(groups)


def test_the_gallery_says_how_much_was_sampled() -> None:
    assert "all 24 crops" in text.gallery_note(crops=24, total=24, shown=5, used=5)
    note = text.gallery_note(crops=600, total=5000, shown=64, used=100)
    assert "600 of the 5000 crops" in note
    assert "64 largest of 100 classes" in note


def test_the_intro_names_what_was_used() -> None:
    assert text.intro(1, 2, HEADER) == (
        "1 image divided into 2 classes found without labels, from the keys of the frozen backbone dino."
    )
    steered = "guided by 30 points of 2 labels in 1 image"
    assert f"2 classes {steered}, from" in text.intro(1, 2, HEADER, guided=steered)


def test_missing_and_outdated_scores_are_explained() -> None:
    assert "segpipe evaluate" in text.scores_note(None, outdated=False)
    assert "earlier masks" in text.scores_note(None, outdated=True)


def test_classes_at_the_same_place_of_every_frame_are_told() -> None:
    assert text.fixed_note([]) == ""
    assert text.fixed_note(["class 4"]).startswith(" class 4 lies at the same place of every frame")
    assert "class 4, tape lie at" in text.fixed_note(["class 4", "tape"])
