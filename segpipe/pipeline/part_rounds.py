"""Rounds of a stage that is done in parts: what comes after a round, and closing one whose parts are all there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from segpipe.base.parts import PartNumber, spans
from segpipe.base.runtime import Runtime
from segpipe.pipeline.run_settings import Settings
from segpipe.pipeline.stored_parts import stored_round
from segpipe.records.part_record import PartPlan
from segpipe.stages import Stage, sharing_of
from segpipe.store.leases import Leases
from segpipe.store.part_folder import PartFolder
from segpipe.store.run_dir import RunDir, belongs
from segpipe.store.shared_work import Round, UnitsOfWork, in_rounds, round_of

log = logging.getLogger(__name__)

CLOSING = "close"
"""What the lease is called of who closes a round."""


def close_round(stage: str, work: UnitsOfWork, noted: Callable[[float], None]) -> Round | None:
    """Close the round that a work is of, all of whose units are written; `noted` is told the seconds that it took.

    Returns:
        The round, or None where it is the last: the stage itself joins what was written in that.
    """
    found = in_rounds(work)
    if found is None or found.round.last:
        return None
    started = time.monotonic()
    found.close_round()
    noted(time.monotonic() - started)
    log.info("%-8s round %s is closed", stage, found.round)
    return found.round


def close_by_lease(
    stage: str,
    work: UnitsOfWork,
    leases: Leases,
    ready: Callable[[], bool],
    *,
    wait: float,
    noted: Callable[[float], None],
) -> bool:
    """Close a round where nobody else does it now; else wait a moment for who does.

    Args:
        stage: its name.
        work: of the round.
        leases: where the round's parts have theirs.
        ready: whether the files of all parts are there, as their records say.
        wait: seconds until the next look.
        noted: told the seconds that closing took.

    Returns:
        Whether the round is closed now, or has parts to do anew.
    """
    if not leases.take(CLOSING):
        time.sleep(wait)
        return False
    with leases.held(CLOSING):
        if ready():
            close_round(stage, work, noted)
    return True


def open_round(stage: Stage, settings: Settings, run_dir: RunDir, key: str) -> Round:
    """The round of a stage that is open, by what lies in the run; the first where nothing does."""
    if run_dir.remote is not None:
        return stored_round(stage, key, settings, run_dir)
    sharing, out = sharing_of(stage), run_dir.root / f"{stage.ARTEFACT}.partial"
    if sharing is None or not belongs(out, key) or not sharing.laid_out(out):
        return Round()
    return round_of(sharing.open(settings[stage.NAME], run_dir, out, Runtime()))


def all_seconds(run_dir: RunDir, stage: str, key: str, last: Round, plan: PartPlan) -> float:
    """Seconds that the parts of all rounds took, up to the last, and closing those before it."""
    rounds = (Round(number, last.of) for number in range(1, last.of + 1))
    folders = [PartFolder(run_dir.root, stage, each.key(key)) for each in rounds]
    parts = sum(record.seconds for folder in folders for record in folder.records(plan.parts).values())
    return parts + sum(folder.closing_seconds for folder in folders)


def what_comes_next(part: PartNumber, now: Round, run_dir: RunDir, done: int) -> str:
    """What a process that did a part of a round says: which round it was, and what is to be done when.

    Args:
        part: that was done.
        now: the round.
        run_dir: the run.
        done: how many parts of the round have a record.
    """
    said = f"part {part} of round {now} is done"
    if done < part.count:
        return f"{said}; {part.count - done} of {part.count} parts are left, then comes `segpipe merge {run_dir.root}`"
    after = "the stage" if now.last else f"it, and the parts of round {now.number + 1} can begin"
    return f"{said}, as all others are; next: `segpipe merge {run_dir.root}` closes {after}"


def told_missing(stage: str, now: Round, numbers: list[int], parts: int) -> str:
    """Which parts of a stage, or of its round, are missing."""
    where = f"{stage}, round {now}," if now.of > 1 else stage
    return f"{len(numbers)} of {parts} parts of {where} are missing: {spans(numbers)}"
