"""Parts of a stage: done by one process of several without the run's lock, each noted once its files are there."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from segpipe.base.errors import SegpipeError, UsageError
from segpipe.base.parts import PartNumber, spans
from segpipe.base.runtime import Track
from segpipe.base.version import versions
from segpipe.pipeline.run_settings import Settings, make_runtime
from segpipe.pipeline.running import names_left
from segpipe.pipeline.steps import BY_NAME, require, step_of
from segpipe.records.part_record import PartFailure, PartPlan, PartRecord
from segpipe.stages import STAGES, Stage, sharing_of, user_files
from segpipe.store.class_names import CLASSES
from segpipe.store.leases import Leases
from segpipe.store.part_folder import PartFolder, load_plan, measure, part_name, sum_files
from segpipe.store.part_taker import PartTaker
from segpipe.store.remote_parts import RemoteParts, StoredPartFolder
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import UnitsOfWork, shared_folder

log = logging.getLogger(__name__)

LEASE_MINUTES = 10.0
"""After which a part is taken over whose worker was not heard of."""
_FAILURES = 3  # of a process after which it ends: its machine is to blame
_WAIT = 5.0  # seconds between looks at the parts that others have


@dataclass(frozen=True)
class PartBench:
    """What a process needs to do parts of one stage."""

    stage: str
    key: str
    parts: int
    folder: PartFolder
    """Of the records."""
    out: Path
    """Of the artefact while it is made."""
    work: UnitsOfWork
    remote: RemoteParts | None = None
    """Of a run on an object store: where others write their parts, and this machine its own."""

    def measure(self, names: Sequence[str]) -> tuple[int, int]:
        """Number and bytes of the files of parts that are there."""
        return measure(self.out, names) if self.remote is None else self.remote.measure(names)

    def leases(self, minutes: float) -> Leases:
        """Those of the parts, for this process."""
        seconds = 60 * minutes
        return Leases(self.folder.path, seconds=seconds) if self.remote is None else self.remote.leases(seconds=seconds)


def shared_stages() -> tuple[Stage, ...]:
    """The stages that can be done in parts."""
    return tuple(stage for stage in STAGES if sharing_of(stage) is not None)


def require_plan(run_dir: RunDir, settings: Settings) -> PartPlan:
    """The plan of a run.

    Raises:
        UsageError: there is none, or it is for another corpus or other settings of `extract`.
    """
    plan, root = load_plan(run_dir.root), run_dir.root
    if plan is None:
        raise UsageError(f"{root} has no plan of parts yet; make it with `segpipe plan {root} --parts N`")
    if plan.key != plan_key(run_dir, settings):
        raise UsageError(
            f"{root}: the plan of {plan.parts} parts is for another corpus, or other settings of extract, than the "
            f"run has now; leave these settings out or, where nothing runs, `segpipe plan {root} --parts N --overwrite`"
        )
    return plan


def plan_key(run_dir: RunDir, settings: Settings) -> str:
    """What a plan is for: the key of `extract`, made of the corpus and the settings that change features."""
    return step_of(BY_NAME["extract"], settings, run_dir, run_dir.manifest()).key


def do_parts(
    run_dir: RunDir,
    settings: Settings,
    track: Track,
    name: str,
    part: PartNumber | None,
    *,
    lease_minutes: float = LEASE_MINUTES,
) -> int:
    """Do one part of a stage, or (None) take parts by leases until none is left; the run's lock is not taken.

    Returns:
        How many parts this process did.

    Raises:
        UsageError: no plan, or a part of another number of parts; an earlier stage is missing or out of date.
        SegpipeError: parts failed; each has its reason beside the records.
    """
    bench = open_bench(run_dir, settings, track, name)
    if bench is None:
        log.info("%-8s is up to date", name)
        return 0
    if part is not None and part.count != bench.parts:
        raise UsageError(
            f"part {part}: the plan of {run_dir.root} has {bench.parts} parts; give --part {part.number}/{bench.parts} "
            f"or plan anew with `segpipe plan {run_dir.root} --parts {part.count} --overwrite`"
        )
    if part is None:
        return _take_parts(bench, bench.leases(lease_minutes))
    return int(do_given(bench, part.number, lease_minutes=lease_minutes))


def do_given(bench: PartBench, number: int, *, lease_minutes: float = LEASE_MINUTES) -> bool:
    """Do a part that a scheduler gave to this process, whoever has its lease; False where it was done before."""
    if done_part(bench, number):
        log.info("%-8s part %s was done before", bench.stage, PartNumber(number, bench.parts))
        return False
    leases = bench.leases(lease_minutes)
    leases.take(part_name(number), seize=True)
    with leases.held(part_name(number)):
        do_part(bench, number)
    return True


def _take_parts(bench: PartBench, leases: Leases) -> int:
    """Do parts that nobody has until none is left; what others have is waited for, and taken over where they ended."""
    taker, did, failed, waiting = PartTaker(bench.folder, leases, bench.parts), 0, dict[int, SegpipeError](), False
    while taker.left and len(failed) < _FAILURES:
        number = taker.take()
        if number is None:
            if not waiting:
                log.info("%-8s waits for parts that others have: %s", bench.stage, spans(taker.left))
            waiting = True
            time.sleep(min(_WAIT, leases.seconds / 4))
            continue
        try:
            with leases.held(part_name(number)):
                do_part(bench, number)
            did += 1
        except SegpipeError as error:
            log.warning("%-8s part %s failed: %s", bench.stage, PartNumber(number, bench.parts), error)
            failed[number] = error
        taker.drop(number)
    if failed:
        number, first = next(iter(failed.items()))
        raise type(first)(f"{bench.stage}: parts {spans(failed)} of {bench.parts} failed; part {number}: {first}")
    return did


def open_bench(run_dir: RunDir, settings: Settings, track: Track, name: str) -> PartBench | None:
    """See that parts of a stage can be done now, and lay its artefact out; None where the stage is up to date.

    Raises:
        UsageError: as of `do_parts`.
    """
    stage = BY_NAME[name]
    sharing = sharing_of(stage)
    if sharing is None:
        whole = ", ".join(each.NAME for each in shared_stages())
        raise UsageError(f"{name} cannot be done in parts; {whole} can")
    plan = require_plan(run_dir, settings)
    for needed in stage.NEEDS:
        require(BY_NAME[needed], settings, run_dir)
    if CLASSES in user_files(stage) and names_left(run_dir):
        raise UsageError(
            f"{run_dir.root}: {CLASSES} speaks of other clusters; carry its names over with `segpipe merge "
            f"{run_dir.root}` first"
        )
    step = step_of(stage, settings, run_dir, run_dir.manifest())
    if step.action != "run":
        return None
    config, runtime = settings[name], make_runtime(settings, track)
    remote = remote_parts(run_dir, stage, step.key)

    def lay_out(folder: Path) -> None:
        sharing.open(config, run_dir, folder, runtime).lay_out()

    out = shared_folder(
        run_dir,
        stage.ARTEFACT,
        step.key,
        lay_out=lay_out if remote is None else remote.agreed(lay_out),
        laid_out=sharing.laid_out,
    )
    if remote is not None:
        remote.pull_records()
    work = sharing.open(config, run_dir, out, runtime)
    folder = part_folder(run_dir, stage, step.key)
    return PartBench(name, step.key, plan.parts, folder, out, work, remote)


def part_folder(run_dir: RunDir, stage: Stage, key: str) -> PartFolder:
    """What is known of the parts of a stage at a key."""
    remote = remote_parts(run_dir, stage, key)
    root, name = run_dir.root, stage.NAME
    return PartFolder(root, name, key) if remote is None else StoredPartFolder(remote, root, name, key)


def remote_parts(run_dir: RunDir, stage: Stage, key: str) -> RemoteParts | None:
    """The parts of a stage on the store that a run lies on; None for a run of this machine."""
    return None if run_dir.remote is None else RemoteParts(run_dir.remote, stage.ARTEFACT, stage.NAME, key)


def done_part(bench: PartBench, number: int, *, verify: bool = False) -> bool:
    """Whether a part was done and its files are there; else what is left of it is deleted, so that it is done anew.

    Args:
        bench: of the stage.
        number: of the part.
        verify: compare checksums, instead of numbers and sizes of files.
    """
    record = bench.folder.done(number, bench.parts)
    if record is None:
        bench.folder.forget(number)
        return False
    names = bench.work.names(range(record.start, record.stop))
    if bench.measure(names) == (record.files, record.bytes) and (
        not verify or sum_files(bench.out, names)[2] == record.sha256
    ):
        return True
    bench.folder.forget(number)
    if bench.remote is not None:
        bench.remote.forget(f"{part_name(number)}.json")
    for name in names:
        (bench.out / name).unlink(missing_ok=True)
    return False


def do_part(bench: PartBench, number: int) -> None:
    """Do one part and write its record; where it fails, the reason."""
    units, started = PartNumber(number, bench.parts).of(bench.work.units), time.monotonic()
    try:
        bench.work.write(units)
        record = part_record(bench, number, started)
    except Exception as error:
        if bench.folder.done(number, bench.parts) is None:
            reason = str(error) or type(error).__name__
            bench.folder.fail(PartFailure(part=number, reason=reason, host=socket.gethostname(), finished=_now()))
            if bench.remote is not None:
                bench.remote.push((), [f"{part_name(number)}.failed"])
            raise
        log.info("%-8s part %s was finished by another meanwhile", bench.stage, PartNumber(number, bench.parts))
        return
    bench.folder.save(record)
    if bench.remote is not None:
        bench.remote.push(bench.work.names(units), [f"{part_name(number)}.json"])
        bench.remote.forget(f"{part_name(number)}.failed")


def part_record(bench: PartBench, number: int, started: float) -> PartRecord:
    """The record of a part that was begun at `started` and whose files are there; they are read for their checksum."""
    units = PartNumber(number, bench.parts).of(bench.work.units)
    count, size, sha256 = sum_files(bench.out, bench.work.names(units))
    return PartRecord(
        stage=bench.stage,
        key=bench.key,
        part=number,
        parts=bench.parts,
        start=units.start,
        stop=units.stop,
        files=count,
        bytes=size,
        sha256=sha256,
        seconds=round(time.monotonic() - started, 3),
        finished=_now(),
        versions=versions(),
        host=socket.gethostname(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
