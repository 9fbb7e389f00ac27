"""Tables and sentences of the report."""

from __future__ import annotations

import numpy as np
import pytest

from segpipe.plots.html import ClassLabel
from segpipe.records.features import FeatureHeader
from segpipe.records.legend import plain_legend
from segpipe.records.manifest import Manifest, StageRecord
from segpipe.records.palette import class_colors
from segpipe.stages.report import build as compose
from segpipe.stages.report import tables
from segpipe.stages.report import text as wording

HEADER = FeatureHeader("dino", "key", (11,), 224, 16, 384, "mean", False)


def record(seconds: float, **summary: object) -> StageRecord:
    return StageRecord(
        key="a", artefact="a", parts={"settings": {"k": 7, "weights": None}}, summary=summary, seconds=seconds,
        finished="2026-01-02T03:04:05+00:00", versions={"torch": f"2.{seconds:g}"}, machine={"device": "cpu"},
    )  # fmt: skip


def test_confusion_is_sorted_so_that_partners_meet_on_the_diagonal() -> None:
    counts = np.array([[1, 0, 9, 0], [0, 0, 0, 0], [7, 3, 0, 0], [2, 2, 2, 0]])
    sorted_counts, rows, columns = tables.order_confusion(["a", "b", "c", "d"], counts, {"0": "c", "1": None, "2": "a"})
    assert rows == [0, 2, 3]  # b has no pixel, d no partner
    assert columns == [2, 0, 1]  # no data has no pixel
    np.testing.assert_array_equal(sorted_counts, counts[np.ix_(rows, columns)])
    assert sorted_counts[0, 0] == 9
    assert sorted_counts[1, 1] == 7


def test_confusion_keeps_no_data_where_it_holds_pixels() -> None:
    _, _, columns = tables.order_confusion(["a"], np.array([[5, 2]]), {"0": "a"})
    assert columns == [0, 1]


def test_stages_come_in_order_with_what_they_found() -> None:
    manifest = Manifest(
        stages={"mine": record(1), "index": record(4, images=3, fingerprint="f", depths={"uint8": 3}, x=[])}
    )
    rows = tables.stage_rows(manifest, ("index", "mine", "train"))
    assert [(row["name"], row["share"]) for row in rows] == [("index", 1.0), ("mine", 0.25)]
    assert rows[0]["found"] == [("images", "3"), ("depths", "uint8 3")]
    assert tables.setting_rows(manifest, ("mine",)) == [("mine", [("k", "7"), ("weights", "none")])]
    assert tables.version_rows(manifest) == [("torch", "2.1, 2.4")]
    assert tables.stage_rows(Manifest(), ("index",)) == []


def test_colors_are_the_records_colors_everywhere() -> None:
    labels = compose.class_labels(plain_legend(60), None)
    assert labels[59] == ClassLabel("class 59", "#" + bytes(class_colors(60)[59].tolist()).hex())


def test_shares_are_of_all_pixels_and_empty_classes_are_named() -> None:
    labels = compose.class_labels(plain_legend(3), None)
    rows, empty = compose.share_rows(labels, np.array([20, 80, 0]), np.array([1, 2, 0]))
    assert [(row.label.name, row.share, row.images) for row in rows] == [("class 1", 0.8, 2), ("class 0", 0.2, 1)]
    assert [label.name for label in empty] == ["class 2"]
    assert compose.present({"pixels": {"0": 1, "1": 99}}, labels) == [(labels[1], 0.99)]


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
    rule = wording.rule(groups, of=of, total=total, scored=scored)
    assert rule.startswith(start)
    assert rule.endswith(".")
    assert set(wording.group_titles(scored)) >= set(groups)


def test_the_gallery_says_how_much_was_looked_at() -> None:
    assert "all 24 crops" in wording.gallery_note(crops=24, total=24, shown=5, used=5)
    note = wording.gallery_note(crops=600, total=5000, shown=64, used=100)
    assert "600 of the 5000 crops" in note
    assert "64 largest of 100 classes" in note


def test_the_lead_names_what_was_used() -> None:
    assert wording.lead(1, 2, HEADER) == (
        "1 image divided into 2 classes found without labels, from the keys of the frozen backbone dino."
    )


def test_missing_and_outdated_scores_are_explained() -> None:
    assert "segpipe evaluate" in wording.scores_note(None, outdated=False)
    assert "earlier masks" in wording.scores_note(None, outdated=True)
