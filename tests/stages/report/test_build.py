"""Rows and labels of the report."""

from __future__ import annotations

import numpy as np

from segpipe.records.legend import plain_legend
from segpipe.records.palette import class_colors
from segpipe.records.scores import Baseline, ProbeScores, Scores, Unmatched, confusion_of, join
from segpipe.stages.evaluate.scoring import score_clusters
from segpipe.stages.report import build, text
from segpipe.stages.report.page import ClassLabel


def test_colors_are_the_records_colors_everywhere() -> None:
    labels = build.class_labels(plain_legend(60), None)
    assert labels[59] == ClassLabel("class 59", "#" + bytes(class_colors(60)[59].tolist()).hex())


def test_shares_are_of_all_pixels_and_empty_classes_are_named() -> None:
    labels = build.class_labels(plain_legend(3), None)
    rows, empty = build.share_rows(labels, np.array([20, 80, 0]), np.array([1, 2, 0]))
    assert [(row.label.name, row.share, row.images) for row in rows] == [("class 1", 0.8, 2), ("class 0", 0.2, 1)]
    assert [label.name for label in empty] == ["class 2"]
    assert build.present({"pixels": {"0": 1, "1": 99}}, labels) == [(labels[1], 0.99)]


def test_a_weak_match_gives_a_class_no_name() -> None:
    """Open water was shown as "wrecks" because eleven pixels were left for it."""
    images = [np.array([[900, 800, 0], [0, 6, 0]]), np.array([[950, 700, 0], [0, 5, 0]])]
    counts = join([confusion_of(table) for table in images])
    matched, many, _ = score_clusters(counts, ("water", "wrecks"), resamples=20, seed=0)
    assert (matched.matching, matched.weak) == ({"0": "water", "1": "wrecks"}, ["1"])
    nothing = ProbeScores(codes=many, features=many)
    scores = Scores(
        images=2, labelled_pixels=counts.pixels, classes=["water", "wrecks"], unsupervised=matched, many_to_one=many,
        linear_probe=nothing, knn_probe=nothing, baseline_kmeans=Baseline(**matched.model_dump(), many_to_one=many),
        protocol="", unmatched=Unmatched(labels=0, examples=[], empty=0, absent_classes=[]),
    )  # fmt: skip
    assert [label.name for label in build.class_labels(plain_legend(2), scores)] == ["0 · water", "class 1"]
    note = text.scores_note(scores, outdated=False)
    assert "1 cluster (1) is matched with a label by too little" in note
    assert "10 labelled pixels in 2 images" in note
    sure = scores.model_copy(update={"unsupervised": matched.model_copy(update={"weak": []})})
    assert "too little" not in text.scores_note(sure, outdated=False)
