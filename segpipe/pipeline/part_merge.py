"""Merge: stages of which every part is done are closed, as if they had been done at once; others' parts are named."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from segpipe.base.errors import UsageError
from segpipe.base.parts import spans
from segpipe.base.runtime import Track
from segpipe.pipeline.part_work import PartBench, done_part, remote_parts, require_plan, shared_stages
from segpipe.pipeline.run_settings import Settings, make_runtime
from segpipe.pipeline.running import carry_names, run_stage, summary_line
from segpipe.pipeline.steps import Step, step_of
from segpipe.records.manifest import StageRecord
from segpipe.records.part_record import PartPlan
from segpipe.stages import sharing_of
from segpipe.store.part_folder import PartFolder
from segpipe.store.run_dir import RunDir

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergedStage:
    """What merging said of one stage."""

    stage: str
    record: StageRecord | None
    """Of a stage that was closed now; None where it was closed before or nothing of it is done yet."""
    said: str


def merge_parts(run_dir: RunDir, settings: Settings, track: Track, *, verify: bool = False) -> list[MergedStage]:
    """Close every stage of which all parts are done; takes the run's lock.

    Args:
        run_dir: the run.
        settings: of the run.
        track: shows how far it is.
        verify: read the files of every part again and compare their checksums.

    Raises:
        UsageError: parts of a stage that was begun are missing, or their files are; which.
        LockedError: another command holds the run.
    """
    plan, found = require_plan(run_dir, settings), list[MergedStage]()
    with run_dir.lock():
        for stage in shared_stages():
            carry_names(stage, run_dir, make_runtime(settings, track))
            step = step_of(stage, settings, run_dir, run_dir.manifest())
            if step.action != "run":
                found.append(MergedStage(stage.NAME, None, step.reason))
                continue
            if step.key and (remote := remote_parts(run_dir, stage, step.key)) is not None:
                remote.pull()
            if not step.key or not (folder := PartFolder(run_dir.root, stage.NAME, step.key)).path.is_dir():
                found.append(MergedStage(stage.NAME, None, "no part is done yet"))
            else:
                found.append(_close(step, folder, plan, run_dir, settings, track, verify))
    return found


def _close(
    step: Step, folder: PartFolder, plan: PartPlan, run_dir: RunDir, settings: Settings, track: Track, verify: bool
) -> MergedStage:
    name, runtime = step.stage.NAME, make_runtime(settings, track)
    sharing, out = sharing_of(step.stage), run_dir.root / f"{step.stage.ARTEFACT}.partial"
    assert sharing is not None
    if not sharing.laid_out(out):
        raise UsageError(f"{run_dir.root}: {out.name} is gone, which parts of {name} were written to; do them again")
    work = sharing.open(settings[name], run_dir, out, runtime)
    bench = PartBench(name, step.key, plan.parts, folder, out, work)
    missing = missing_parts(bench, track, verify=verify)
    if missing:
        raise UsageError(
            f"{run_dir.root}: {len(missing)} of {plan.parts} parts of {name} are missing: {spans(missing)}; do them "
            f"with `segpipe {name} {run_dir.root} --part {missing[0]}/{plan.parts}` or `--part auto`"
        )
    seconds = sum(record.seconds for record in folder.records(plan.parts).values())
    record = run_stage(step, settings, run_dir, runtime)
    record = record.model_copy(update={"seconds": round(record.seconds + seconds, 3)})
    run_dir.record(name, record)
    log.info("%-8s merged: %s", name, summary_line(record))
    return MergedStage(name, record, summary_line(record))


def missing_parts(bench: PartBench, track: Track, *, verify: bool = False) -> list[int]:
    """The parts that were not done, or of which files are not there as they were written.

    Args:
        bench: of the stage.
        track: shows how far it is.
        verify: read every file, instead of looking at sizes.
    """
    numbers = track(range(1, bench.parts + 1), total=bench.parts, unit=f"parts of {bench.stage}")
    return [number for number in numbers if not done_part(bench, number, verify=verify)]
