"""The printed table against the scores that it shows."""

import io
from typing import Any

import pytest
from rich.console import Console

from segpipe.records.scores import Scores
from segpipe.stages.evaluate.score_table import score_table
from segpipe.stages.evaluate.scoring import PROTOCOLS


def scores_of(**changes: Any) -> Scores:
    matched = {
        "accuracy": 0.8125,
        "miou": 0.6104,
        "accuracy_ci": (0.75, 0.8604),
        "miou_ci": (0.5496, 1.0),
        "per_class_iou": {"sand": 0.6104},
        "matching": {"0": "sand"},
    }
    lone = matched | {"accuracy": 0.4, "miou": 0.3, "accuracy_ci": None, "miou_ci": None}
    nothing = {"accuracy": None, "miou": None}
    values = {
        "images": 12,
        "labelled_pixels": 5000,
        "classes": ["sand"],
        "unsupervised": matched,
        "many_to_one": {"accuracy": 0.9, "miou": 0.7},
        "linear_probe": {"codes": {"accuracy": 0.99, "miou": 0.95}, "features": {"accuracy": 0.98, "miou": 0.94}},
        "knn_probe": {"codes": nothing, "features": nothing, "reason": "too few"},
        "baseline_kmeans": lone | {"many_to_one": {"accuracy": 0.45, "miou": 0.35}},
        "protocol": "One sentence. Another.",
        "unmatched": {"labels": 0, "examples": [], "empty": 0, "absent_classes": []},
    }
    return Scores.model_validate(values | changes)


def test_every_row_stands_in_percent_beside_its_interval() -> None:
    table = score_table(scores_of())
    columns = [[column.header, *column.cells] for column in table.columns]
    assert [list(row) for row in zip(*columns, strict=True)] == [
        ["12 labelled images", "accuracy", "95%", "mIoU", "95%"],
        ["clusters, one to one", "81.2", "75.0 to 86.0", "61.0", "55.0 to 100.0"],
        ["k-means baseline", "40.0", "", "30.0", ""],
        ["clusters, many to one", "90.0", "", "70.0", ""],
        ["k-means baseline, many to one", "45.0", "", "35.0", ""],
        ["linear probe on codes", "99.0", "", "95.0", ""],
        ["linear probe on features", "98.0", "", "94.0", ""],
        ["knn probe on codes", "", "", "", ""],
        ["knn probe on features", "", "", "", ""],
    ]


@pytest.mark.parametrize(
    ("protocol", "caption"),
    [
        ("whole", "protocol whole: Whole images at their own size."),
        ("published", "protocol published: As STEGO (Hamilton et al., ICLR 2022) published: short side scaled to"),
    ],
)
def test_the_first_sentence_of_the_protocol_stands_below(protocol: str, caption: str) -> None:
    file = io.StringIO()
    Console(file=file, width=1000).print(score_table(scores_of(protocol_name=protocol, protocol=PROTOCOLS[protocol])))
    below = " ".join(file.getvalue().split("knn probe on features")[1].split())
    assert below.startswith(caption)
    assert below.endswith(".")
    assert ". " not in below.replace("et al., ", "")


def test_films_are_told_below_the_table() -> None:
    mean = {"j": 0.6, "f": 0.45, "jf": 0.525}
    window = {"windows": 3, "steady": 0.9, "right": 0.7, "chance": 0.25}
    film = {"film": "a.mp4", "frames": 11, "labelled": 11, "seconds_apart": 1.0, "mean": mean, "classes": {}}
    film |= {"vc8": window, "vc16": None}
    table = score_table(scores_of(video={"films": [film], "mean": mean, "vc8": window, "vc16": None}))
    assert str(table.caption).splitlines()[-1] == (
        "1 film: J 60.0, F 45.0, J&F 52.5; VC8 90.0 (right 70.0, chance 25.0, constant map 100)."
    )
    assert "film" not in str(score_table(scores_of()).caption)
