"""What `segpipe probe` says and returns."""

from pathlib import Path

from segpipe.base.options import make
from segpipe.commands.probe import COMMAND
from segpipe.commands.probe.options import ProbeOptions
from segpipe.commands.probe.writers import ProbeOutput
from segpipe.records.finding import Finding


def test_sentences_are_told_and_findings_returned() -> None:
    row = Finding("roll", "place", 1.0, "rolls", "center", 0.25, 0.2, 0.3, 4)
    done = ProbeOutput((row,), ("It looks at the middle.",), Path("seen/index.html"), ())
    report = COMMAND.report(done, make(ProbeOptions, {"images": "a", "out": "seen"}))
    assert report.lines == ["It looks at the middle.", "page     seen/index.html"]
    assert report.listed_in == Path("seen/rejected.jsonl")
    assert COMMAND.value(done) == [row]
