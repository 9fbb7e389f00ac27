from pathlib import Path

from rich.console import Console

from segpipe.base.options import make
from segpipe.commands.status import COMMAND, StatusOptions
from segpipe.pipeline.part_status import StageStatus

FOUND = (
    StageStatus("extract", "open", 10, 4, 40, {5: "a:1:x", 6: "b:2:y"}, {7: "the disk is full"}, 120.0, 180.0),
    StageStatus("cluster", "open", 10, round="2 of 4 (counts)"),
    StageStatus("refine", "waiting", 10, waits_for="extract"),
    StageStatus("export", "open", 10, 10),
)


def test_stages_are_lines_and_failures_have_their_reason() -> None:
    options = make(StatusOptions, {"run": Path("run")})
    table, *lines = COMMAND.report(FOUND, options).lines
    console = Console(width=80)
    with console.capture() as captured:
        console.print(table)
    text = " ".join(captured.get().split())
    assert "extract open 4/10 5-6 7 120 3 min" in text
    assert "refine waits for extract 0/10" in text
    assert "export all done, merge 10/10" in text
    assert lines == ["round    cluster 2 of 4 (counts)", "failed   extract 7: the disk is full"]
    assert COMMAND.value(FOUND)["extract"]["running"] == {5: "a:1:x", 6: "b:2:y"}
