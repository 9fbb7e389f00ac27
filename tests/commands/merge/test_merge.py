from pathlib import Path

from segpipe.base.options import Face, make
from segpipe.commands.merge import COMMAND, MergeOptions
from segpipe.pipeline.part_merge import MergedStage
from tests.helpers.parted_run import do, plan_reef


def test_what_was_closed_and_what_was_not(tmp_path: Path) -> None:
    run = plan_reef(tmp_path, "run", parts=2, images=3)
    do(run, "extract", "auto")
    options = make(MergeOptions, {"run": run})
    found = COMMAND.work(options, Face())
    first, second, *_ = COMMAND.report(found, options).lines
    assert first.startswith("extract  merged: backbone classical")
    assert second == "mine     as it was: no part is done yet"
    assert COMMAND.value(found)["extract"]["crops"] == 3


def test_a_round_that_was_closed_is_no_stage_that_was() -> None:
    found = [MergedStage("cluster", None, "round 1 of 4 (codes) is closed", closed=True)]
    options = make(MergeOptions, {"run": Path("run")})
    assert list(COMMAND.report(found, options).lines) == ["cluster  closed: round 1 of 4 (codes) is closed"]
    assert COMMAND.value(found) == {}
