"""What `segpipe robustness` says and returns."""

from pathlib import Path

from segpipe.base.options import make
from segpipe.commands.robustness import COMMAND
from segpipe.commands.robustness.options import RobustnessOptions
from segpipe.commands.robustness.run import RobustnessResult
from segpipe.records.corpus import Rejected
from segpipe.records.finding import Finding


def test_sentences_are_told_and_findings_returned() -> None:
    row = Finding("blur", "focus", 2.0, "px", "mask mIoU", 0.5, None, None, 1)
    gone = Rejected("b.jpg", "is gone")
    done = RobustnessResult(
        (row,), ("Half of it stays.",), Path("r/robustness/index.html"), Path("r/robustness.csv"), (gone,)
    )
    report = COMMAND.report(done, make(RobustnessOptions, {"run": "r"}))
    assert report.lines == ["Half of it stays.", "page     r/robustness/index.html"]
    assert (report.listed_in, list(report.skipped)) == (Path("r/robustness/robustness.json"), [gone])
    assert COMMAND.value(done) == [row]
