"""Merge: stages of which every part is done are closed, as if they had been done at once; others' parts are named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from segpipe.base.errors import UsageError
from segpipe.base.known_sums import KnownSums
from segpipe.base.runtime import Track
from segpipe.pipeline.part_bench import PartBench
from segpipe.pipeline.part_rounds import all_seconds, close_round, told_missing
from segpipe.pipeline.part_work import done_part
from segpipe.pipeline.planned_steps import planned_stages, planned_step, require_plan
from segpipe.pipeline.run_settings import Settings, make_runtime
from segpipe.pipeline.running import carry_names, run_stage, summary_line
from segpipe.pipeline.steps import Step, command_of
from segpipe.pipeline.stored_parts import remote_parts
from segpipe.records.manifest import StageRecord
from segpipe.records.part_record import PartPlan
from segpipe.stages import sharing_of
from segpipe.store.part_folder import FOLDER, PartFolder
from segpipe.store.remote_rounds import pull_to_verify, stored_work
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import round_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergedStage:
    """What merging said of one stage."""

    stage: str
    record: StageRecord | None
    """Of a stage that was closed now; None where it was closed before, nothing of it is done yet, or a round was."""
    said: str
    closed: bool = False
    """Whether a round was closed, which is not the stage's last."""


def merge_parts(run_dir: RunDir, settings: Settings, track: Track, *, verify: bool = False) -> list[MergedStage]:
    """Close every stage, or its round, of which all parts are done; takes the run's lock.

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
        for stage in planned_stages(plan):
            carry_names(stage, run_dir, make_runtime(settings, track))
            step = planned_step(plan, stage, settings, run_dir, run_dir.manifest())
            if step.action != "run":
                found.append(MergedStage(stage.NAME, None, step.reason))
                continue
            if step.key and (remote := remote_parts(run_dir, stage, step.key)) is not None:
                remote.pull_begun()
            if not step.key or not _begun(step, run_dir):
                found.append(MergedStage(stage.NAME, None, "no part is done yet"))
            else:
                found.append(_close(step, plan, run_dir, settings, track, verify))
    return found


def _begun(step: Step, run_dir: RunDir) -> bool:
    """Whether parts of a stage were done, of whatever round."""
    return any((run_dir.root / FOLDER / step.stage.NAME).glob(f"{step.key}*"))


def _close(step: Step, plan: PartPlan, run_dir: RunDir, settings: Settings, track: Track, verify: bool) -> MergedStage:
    name, runtime = step.stage.NAME, make_runtime(settings, track)
    sharing, out = sharing_of(step.stage), run_dir.root / f"{step.stage.ARTEFACT}.partial"
    assert sharing is not None
    run_dir.take_back(step.stage.ARTEFACT, step.key)
    if not sharing.laid_out(out):
        way = " --index" if plan.listed else ""
        raise UsageError(
            f"{run_dir.root}: {out.name} is gone, which parts of {name} were written to; do them again, or plan anew "
            f"what there is now with `segpipe plan {run_dir.root} --parts {plan.parts}{way} --overwrite`"
        )
    work = sharing.open(settings[name], run_dir, out, runtime)
    now = round_of(work)
    remote = remote_parts(run_dir, step.stage, step.key, now)
    work = stored_work(work, remote)
    folder = PartFolder(run_dir.root, name, now.key(step.key))
    if not folder.path.is_dir():
        return MergedStage(name, None, f"no part of round {now} is done yet")
    if remote is not None and verify:
        pull_to_verify(work, remote)
    bench = PartBench(name, now.key(step.key), plan.parts, folder, out, work, remote)
    missing, sums = check_parts(bench, track, verify=verify)
    if missing:
        raise UsageError(
            f"{run_dir.root}: {told_missing(name, now, missing, plan.parts)}; do them "
            f"with `segpipe {command_of(step.stage, run_dir)} --part {missing[0]}/{plan.parts}` or `--part auto`"
        )
    if close_round(name, work, bench.note_closing):
        after = round_of(sharing.open(settings[name], run_dir, out, runtime))
        return MergedStage(name, None, f"round {now} is closed; next: the parts of round {after}", closed=True)
    seconds = all_seconds(run_dir, name, step.key, now, plan)
    record = run_stage(step, settings, replace(run_dir, known=sums), runtime)
    record = record.model_copy(update={"seconds": round(record.seconds + seconds, 3)})
    run_dir.record(name, record)
    log.info("%-8s merged: %s", name, summary_line(record))
    return MergedStage(name, record, summary_line(record))


def check_parts(bench: PartBench, track: Track, *, verify: bool = False) -> tuple[list[int], KnownSums]:
    """The parts that were not done, or of which files are not there as they were written; the checksums of the others.

    Args:
        bench: of the stage.
        track: shows how far it is.
        verify: read every file, instead of looking at sizes.
    """
    numbers, missing = range(1, bench.parts + 1), list[int]()

    def sums() -> Iterator[tuple[str, str]]:  # not kept: there may be a million
        for number in track(numbers, total=bench.parts, unit=f"parts of {bench.stage}"):
            if (done := done_part(bench, number, verify=verify)) is None:
                missing.append(number)
            else:
                yield from done

    known = KnownSums(sums())
    return missing, known
