from pathlib import Path

from segpipe.base.options import Face, make
from segpipe.commands.plan import COMMAND, PlanOptions
from tests.helpers.parted_run import plan_reef


def test_a_run_is_indexed_and_planned_and_told_how_to_go_on(tmp_path: Path) -> None:
    run = plan_reef(tmp_path, "run", parts=3, images=3)
    assert (run / "corpus" / "corpus.jsonl").exists()
    options = make(PlanOptions, {"run": run, "parts": 3})
    plan = COMMAND.work(options, Face())
    assert COMMAND.report(plan, options).lines == [
        f"plan     {run}/parts/plan.json: 3 parts of 3 images, 3 crops",
        f"next     `segpipe extract {run} --part 1/3` and so on, or `--part auto`; then `segpipe merge {run}`",
    ]
    assert COMMAND.value(plan)["parts"] == 3
