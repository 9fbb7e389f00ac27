"""`segpipe plan`: cutting a run into parts that several machines do."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.files import absolute
from segpipe.base.options import Command, Face, Options, Report, argument, option
from segpipe.pipeline.part_plan import make_plan
from segpipe.pipeline.planned_steps import planned_stages
from segpipe.records.part_record import PartPlan

EXAMPLES = """\
segpipe plan runs/reef --images photos --parts 100     finishes `index`, then writes the plan
segpipe extract runs/reef --part 3/100                 on any machine that sees the run
segpipe merge runs/reef                                once all are done
segpipe plan runs/reef --images photos --parts 9 --index  lists the files; then `segpipe index photos runs/reef --part`
"""


class PlanOptions(Options):
    """Cut a run into parts that several machines do, each with a command of its own.

    `index` is finished first, if it is not, or with --index its files are listed. A part is a range of neighboring
    images, by arithmetic; the plan is immutable. See docs/howto/many-machines.md.
    """

    run: Path = argument("the run directory, new or begun", metavar="RUN")
    parts: int = option(..., "how many parts; each should take minutes to an hour", limits={"ge": 1, "le": 1_000_000})
    images: str | None = option(None, "as of `segpipe run`, for a new run", metavar="IMAGES")
    config: str | None = option(None, "as of `segpipe run`", flags=("--config", "-c"), metavar="NAME|FILE")
    index: bool = option(
        False, "cut `index` into parts too: files are listed now, and opened by `segpipe index IMAGES RUN --part I/N`"
    )
    overwrite: bool = option(False, "replace another plan; what was done is found again, not lost")


def _work(options: PlanOptions, face: Face) -> PartPlan:
    new = options.images is not None
    run_dir = pipeline.open_run(options.run) if new else pipeline.existing_run(options.run)
    more = {"index.images": absolute(options.images)} if options.images is not None else {}
    settings = pipeline.resolve(run_dir, config=options.config, more=more, layers=face.layers)
    return make_plan(run_dir, settings, face.track, options.parts, overwrite=options.overwrite, index=options.index)


def _report(plan: PartPlan, options: PlanOptions) -> Report:
    root = shlex.quote(str(options.run))
    first = planned_stages(plan)[0].NAME
    what = f"{first} IMAGES {root}" if plan.listed else f"{first} {root}"
    units = ", ".join(f"{count:,} {name}" for name, count in plan.units.items())
    return Report(
        [
            f"plan     {options.run / 'parts' / 'plan.json'}: {plan.parts} parts of {units}",
            f"next     `segpipe {what} --part 1/{plan.parts}` and so on, or `--part auto`; then `segpipe merge {root}`",
        ]
    )


def _value(plan: PartPlan) -> dict[str, Any]:
    return plan.model_dump(mode="json")


COMMAND = Command(
    "plan",
    PlanOptions,
    _work,
    _report,
    _value,
    returns="dict[str, Any]",
    returned="the plan: `parts`, `units`, and the key of corpus and settings that it is for",
    sections=tuple(pipeline.SECTIONS),
    examples=EXAMPLES,
    files={
        "RUN/parts/plan.json": "how many parts there are, for which corpus and settings",
        "RUN/parts/*/*/closed.json": "a round was closed, and how many seconds that took",
        "RUN/parts/*/*/*.json": "a part that was done: what it wrote, counts, checksum, seconds, versions, host",
        "RUN/parts/*/*/*.sums": "the checksum of every file that a part wrote, a line each",
        "RUN/parts/*/*/*.failed": "why a part was not done by the last that tried",
        "RUN/parts/*/*/*.lease": "who does a part now",
    },
)
