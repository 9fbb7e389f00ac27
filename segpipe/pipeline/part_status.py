"""How far the parts of a run are: done, running, failed, how fast, and how long it will take."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from segpipe.pipeline.part_rounds import CLOSING, open_round
from segpipe.pipeline.planned_steps import planned_stages, planned_step, require_plan, waits_for
from segpipe.pipeline.run_settings import Settings
from segpipe.pipeline.stored_parts import remote_parts
from segpipe.store.leases import LEASE_MINUTES, Leases
from segpipe.store.part_folder import PartFolder
from segpipe.store.run_dir import RunDir


@dataclass(frozen=True)
class StageStatus:
    """The parts of one stage."""

    stage: str
    state: str
    """`finished`: nothing to do; `waiting`: an earlier stage is missing or out of date; `open`; `closing` a round."""
    parts: int
    done: int = 0
    units: int = 0
    """Of the parts that are done: images, or shards of features."""
    running: dict[int, str] = field(default_factory=dict)
    """Who does which part now."""
    failed: dict[int, str] = field(default_factory=dict)
    """Why a part was not done by the last that tried."""
    rate: float | None = None
    """Parts an hour, by all that run now together."""
    seconds_left: float | None = None
    """At that rate; None where nothing runs or nothing is done yet."""
    waits_for: str = ""
    """The stage that comes first, where it is waiting."""
    round: str = ""
    """Which round is open, of how many, and what is done in it; empty where there is one."""


def status_of_parts(
    run_dir: RunDir, settings: Settings, *, lease_minutes: float = LEASE_MINUTES
) -> tuple[StageStatus, ...]:
    """The parts of every stage that can be done in parts; no lock is taken.

    Raises:
        UsageError: the run has no plan of parts, or one for other settings.
    """
    plan, manifest, found = require_plan(run_dir, settings), run_dir.manifest(), []
    for stage in planned_stages(plan):
        step = planned_step(plan, stage, settings, run_dir, manifest)
        if needed := waits_for(plan, stage, settings, run_dir, manifest):
            found.append(StageStatus(stage.NAME, "waiting", plan.parts, waits_for=needed))
        elif step.action != "run":
            found.append(StageStatus(stage.NAME, "finished", plan.parts, plan.parts))
        else:
            now = open_round(stage, settings, run_dir, step.key)
            folder, leases = PartFolder(run_dir.root, stage.NAME, now.key(step.key)), None
            if (remote := remote_parts(run_dir, stage, step.key, now)) is not None:
                remote.pull_records()
                leases = remote.leases(seconds=60 * lease_minutes)
            status = _open_stage(stage.NAME, folder, plan.parts, leases, 60 * lease_minutes)
            found.append(replace(status, round=str(now) if now.of > 1 else ""))
    return tuple(found)


def _open_stage(name: str, folder: PartFolder, parts: int, leases: Leases | None, seconds: float) -> StageStatus:
    if not folder.path.is_dir():
        return StageStatus(name, "open", parts)
    records, leases = folder.records(parts), leases or Leases(folder.path, seconds=seconds)
    held = leases.running()
    running = {int(part): who for part, who in held.items() if part.isdecimal()}
    running = {part: who for part, who in running.items() if part not in records}
    failed = {part: each.reason for part, each in folder.failures().items() if part not in {**records, **running}}
    took, rate, left = sum(record.seconds for record in records.values()), None, None
    if running and took > 0:
        rate = 3600 * len(running) * len(records) / took
        left = 3600 * (parts - len(records)) / rate
    units = sum(record.stop - record.start for record in records.values())
    state = "closing" if CLOSING in held else "open"
    return StageStatus(name, state, parts, len(records), units, running, failed, rate, left)
