"""Parts of a stage: done by one process of several without the run's lock, each noted once its files are there."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime

from segpipe.base.errors import SegpipeError, UsageError
from segpipe.base.parts import PartNumber, spans
from segpipe.base.runtime import Track
from segpipe.base.shortage import of_machine
from segpipe.base.version import versions
from segpipe.pipeline.part_bench import PartBench, open_bench
from segpipe.pipeline.part_rounds import close_by_lease, what_comes_next
from segpipe.pipeline.run_settings import Settings
from segpipe.records.part_record import PartFailure, PartRecord
from segpipe.store.leases import LEASE_MINUTES, Leases
from segpipe.store.part_folder import FileSums, part_name, sum_files, sum_of
from segpipe.store.part_taker import PartTaker
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import closed_after

log = logging.getLogger(__name__)

_FAILURES = 3  # of a process after which it ends: its machine is to blame
_WAIT = 5.0  # seconds between looks at the parts that others have


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

    Of a stage in rounds: one part of the round that is open, or all rounds.

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
    with closed_after(bench.work):
        if part is None:
            return _take_rounds(bench, lambda: open_bench(run_dir, settings, track, name), lease_minutes)
        did = int(do_given(bench, part.number, lease_minutes=lease_minutes))
    if bench.round.of > 1:
        done = sum(map(bench.folder.has, range(1, bench.parts + 1)))
        log.info("%-8s %s", name, what_comes_next(part, bench.round, run_dir, done))
    return did


def _take_rounds(bench: PartBench | None, reopen: Callable[[], PartBench | None], lease_minutes: float) -> int:
    """Take parts of every round; one of the processes that do so closes a round, which opens the next to all."""
    did = 0
    while bench is not None:
        now, leases = bench, bench.leases(lease_minutes)
        did += take_parts(now, leases)
        if now.round.last:
            return did

        def ready(now: PartBench = now) -> bool:
            again = reopen()  # another may have closed it while this one waited for the lease
            return again is not None and again.key == now.key and _all_done(now)

        looked = False
        while not looked and bench is not None and bench.key == now.key:
            wait = min(_WAIT, leases.seconds / 4)
            looked = close_by_lease(now.stage, now.work, leases, ready, wait=wait, noted=now.note_closing)
            bench = reopen()
    return did


def _all_done(bench: PartBench) -> bool:
    return all(done_part(bench, number) is not None for number in range(1, bench.parts + 1))


def do_given(bench: PartBench, number: int, *, lease_minutes: float = LEASE_MINUTES) -> bool:
    """Do a part that a scheduler gave to this process, whoever has its lease; False where it was done before."""
    if done_part(bench, number) is not None:
        log.info("%-8s part %s was done before", bench.stage, PartNumber(number, bench.parts))
        return False
    leases = bench.leases(lease_minutes)
    leases.take(part_name(number), seize=True)
    with leases.held(part_name(number)):
        do_part(bench, number)
    return True


def take_parts(bench: PartBench, leases: Leases) -> int:
    """Do parts that nobody has until none is left; what others have is waited for, and taken over where they ended."""
    taker, did, failed, waiting = PartTaker(bench.folder, leases, bench.parts), 0, dict[int, SegpipeError](), False
    while taker.left and len(failed) < _FAILURES:
        number = taker.take()
        if number is None:
            if not taker.left:  # others finished them meanwhile
                break
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


def done_part(bench: PartBench, number: int, *, verify: bool = False) -> FileSums | None:
    """The checksums of a part that was done and whose files are there, none where they are not known any more.

    Where it was not done, or files are not there, None: what is left of it is deleted, so that it is done anew.

    Args:
        bench: of the stage.
        number: of the part.
        verify: compare checksums, instead of numbers and sizes of files.
    """
    record = bench.folder.done(number, bench.parts)
    if record is None:
        bench.folder.forget(number)
        return None
    sums = bench.folder.sums(record)
    names = bench.work.names(range(record.start, record.stop)) if sums is None else [name for name, _ in sums]
    if bench.measure(names) == (record.files, record.bytes) and (
        not verify or sum_of(sum_files(bench.out, names)[0]) == record.sha256
    ):
        return sums or ()
    bench.folder.forget(number)
    if bench.remote is not None:
        bench.remote.forget(f"{part_name(number)}.json")
    for name in names:
        (bench.out / name).unlink(missing_ok=True)
    return None


def do_part(bench: PartBench, number: int) -> None:
    """Do one part and write its record; where it fails, the reason."""
    units, started = PartNumber(number, bench.parts).of(bench.work.units), time.monotonic()
    try:
        bench.work.write(units)
        record, sums = part_record(bench, number, started)
    except Exception as error:
        if bench.folder.done(number, bench.parts) is None:
            said = error if isinstance(error, SegpipeError) else of_machine(error) or error
            reason = str(said) or type(error).__name__
            bench.folder.fail(PartFailure(part=number, reason=reason, host=socket.gethostname(), finished=_now()))
            if bench.remote is not None:
                bench.remote.push((), [f"{part_name(number)}.failed"])
            raise
        log.info("%-8s part %s was finished by another meanwhile", bench.stage, PartNumber(number, bench.parts))
        return
    bench.folder.save(record, sums)
    if bench.remote is not None:
        bench.remote.push([name for name, _ in sums], [f"{part_name(number)}{ending}" for ending in (".sums", ".json")])
        bench.remote.forget(f"{part_name(number)}.failed")


def part_record(bench: PartBench, number: int, started: float) -> tuple[PartRecord, FileSums]:
    """The record of a part that was begun at `started` and whose files are there, and their checksums."""
    units = PartNumber(number, bench.parts).of(bench.work.units)
    sums, size = sum_files(bench.out, bench.work.names(units))
    record = PartRecord(
        stage=bench.stage,
        key=bench.key,
        part=number,
        parts=bench.parts,
        start=units.start,
        stop=units.stop,
        files=len(sums),
        bytes=size,
        sha256=sum_of(sums),
        seconds=round(time.monotonic() - started, 3),
        finished=_now(),
        versions=versions(),
        host=socket.gethostname(),
    )
    return record, sums


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
