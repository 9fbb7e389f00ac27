"""What `segpipe propagate` says and returns."""

import pytest

from segpipe.base.options import make
from segpipe.commands.propagate import COMMAND
from segpipe.commands.propagate.options import PropagateOptions
from segpipe.commands.propagate.run import PropagateResult
from segpipe.commands.propagate.truth_scores import TruthScores
from segpipe.ops.metrics.video_objects import ObjectScore
from segpipe.records.corpus import Rejected

SCORE = ObjectScore(j=0.5, f=0.7, frames=8)


@pytest.mark.parametrize("labels", [None, "truth"])
def test_scores_are_told_where_there_are_labels(labels: str | None) -> None:
    broken = Rejected("a.mp4", "cut short")
    scores = TruthScores(8, {1: SCORE}, SCORE) if labels else None
    done = PropagateResult(10, 2, 0.9, scores, ("sand", "fish"), (broken,))
    options = make(PropagateOptions, {"video": "a.mp4", "out": "carried", "masks": "a.png", "labels": labels})
    report = COMMAND.report(done, options)
    assert report.lines[0] == "masks    carried/masks  (10 frames, 2 of them given)"
    assert (list(report.skipped), str(report.listed_in)) == ([broken], "carried/rejected.jsonl")
    told = [line for line in report.lines if line.startswith("J ")]
    value = COMMAND.value(done)
    assert value["rejected"] == {"a.mp4": "cut short"}
    if labels:
        assert told[0] == "J  50.0  F  70.0  J&F  60.0  fish"
        assert value["scores"] == value["classes"]["fish"] == {"j": 0.5, "f": 0.7, "jf": pytest.approx(0.6)}
    else:
        assert told == []
        assert "scores" not in value
