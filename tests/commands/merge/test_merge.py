from pathlib import Path

from segpipe.base.options import Face, make
from segpipe.commands.merge import COMMAND, MergeOptions
from tests.helpers.parted_run import do, plan_reef


def test_what_was_closed_and_what_was_not(tmp_path: Path) -> None:
    run = plan_reef(tmp_path, "run", parts=2, images=3)
    do(run, "extract", "auto")
    options = make(MergeOptions, {"run": run})
    found = COMMAND.work(options, Face())
    first, second, *_ = COMMAND.report(found, options).lines
    assert first.startswith("extract  merged: backbone classical")
    assert second == "refine   as it was: no part is done yet"
    assert COMMAND.value(found)["extract"]["crops"] == 3
