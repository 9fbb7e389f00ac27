"""Ten thousand parts on machines that vanish, on paper: real plan, leases, records and merge, work replaced by time.

Usage: python tools/trials/many_parts.py [--parts 10000] [--workers 200] [--lease-minutes 10] [--seed 0]

Each part takes twenty minutes on average (log-normal, sigma 0.3). Of the attempts 2 of 100 run on a machine that is ten
times slower, 1 of 100 on a machine that vanishes in the middle (another comes two minutes later), and 1 of 200 on one
that goes on but no longer renews its lease. Prints how long all took, how many parts were done twice, and how many are
missing when it is merged (0).
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from segpipe.base import files
from segpipe.base.runtime import no_track
from segpipe.pipeline.part_bench import PartBench
from segpipe.pipeline.part_merge import check_parts
from segpipe.pipeline.part_work import do_part
from segpipe.records.part_record import PartPlan
from segpipe.store.leases import DiskClock, Leases
from segpipe.store.part_folder import PartFolder, load_plan, part_name, save_plan
from segpipe.store.part_taker import PartTaker

_MEAN, _SIGMA = 1200.0, 0.3  # seconds of a part
_SLOW, _SLOWER, _VANISH, _SILENT = 0.02, 10.0, 0.01, 0.005
_REPLACED, _LOOK = 120.0, 30.0  # seconds until another machine comes, and between looks where nothing is to be had


class HandClock(DiskClock):
    """The clock of a disk, moved by hand; files are dated by it from their first moment."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def write(self, path: Path, text: str, *, new: bool = False) -> None:
        """As of `FileClock`."""
        if not new:
            os.utime(path, (self.time, self.time))
            return
        beside = path.with_name(f".{threading.get_ident()}")
        beside.write_text(text)
        os.utime(beside, (self.time, self.time))
        try:
            path.hardlink_to(beside)
        finally:
            beside.unlink()

    def now(self, folder: Path) -> float:
        """As of `FileClock`."""
        return self.time


@dataclass
class Noted:
    """Work that takes no time: a file a unit, and how often each was written."""

    out: Path
    units: int
    wrote: dict[int, int] = field(default_factory=dict)

    def lay_out(self) -> None:
        """There is nothing to agree on."""

    def write(self, units: range) -> None:
        """Write a file for each unit."""
        for unit in units:
            self.wrote[unit] = self.wrote.get(unit, 0) + 1
            files.write_text(self.out / f"{unit}", f"{unit}\n")

    def names(self, units: range) -> list[str]:
        """Of these files."""
        return [f"{unit}" for unit in units]


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    hours: float
    ideal_hours: float
    vanished: int
    silent: int
    twice: int
    missing: int


class Simulation:
    """Workers that take parts by leases, in the order of a clock that is moved from event to event."""

    def __init__(self, root: Path, *, parts: int, lease_minutes: float, seed: int, fates: tuple[float, float]) -> None:
        save_plan(root, PartPlan(parts=parts, key="key", units={"images": parts}, made=""))
        plan = load_plan(root)
        assert plan is not None
        out = root / "masks.partial"
        out.mkdir()
        self.noted, self.clock, self._rng = Noted(out, parts), HandClock(), random.Random(seed)
        self.bench = PartBench("refine", "key", plan.parts, PartFolder(root, "refine", "key"), out, self.noted)
        self._seconds, self._events, self._order = 60 * lease_minutes, list[tuple[float, int, Callable[[], None]]](), 0
        self._vanish, self._silent = fates
        self.vanished = self.silent = 0
        self.worked = self.ended = 0.0

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (self.clock.time + seconds, self._order, action))

    def run(self, workers: int) -> Outcome:
        """Let so many workers begin together, and see what they leave."""
        begun = self.clock.time
        for _ in range(workers):
            self._come()
        while self._events:
            self.clock.time, _, action = heapq.heappop(self._events)
            action()
        missing, _ = check_parts(self.bench, no_track)
        twice = sum(count > 1 for count in self.noted.wrote.values())
        hours, ideal = (self.ended - begun) / 3600, self.worked / workers / 3600
        return Outcome(hours, ideal, self.vanished, self.silent, twice, len(missing))

    def _come(self) -> None:
        owner = f"{self._rng.random()}"  # a seed gives one course of events
        leases = Leases(self.bench.folder.path, seconds=self._seconds, clock=self.clock, owner=owner)
        self._look(leases, PartTaker(self.bench.folder, leases, self.bench.parts))

    def _look(self, leases: Leases, taker: PartTaker) -> None:
        number, rng = taker.take(), self._rng
        if number is None:
            if taker.left:
                self._later(_LOOK, partial(self._look, leases, taker))
            return
        takes = rng.lognormvariate(0, _SIGMA) * _MEAN * (_SLOWER if rng.random() < _SLOW else 1)
        fate, ends = rng.random(), self.clock.time + takes
        if fate < self._vanish:
            self.vanished += 1
            ends = self.clock.time + takes * rng.random()
            self._later(ends - self.clock.time + _REPLACED, self._come)
        else:
            self._later(takes, partial(self._finish, leases, taker, number, takes))
        if self._vanish <= fate < self._vanish + self._silent:
            self.silent += 1
        else:
            self._later(self._seconds / 4, partial(self._renew, leases, number, ends))

    def _renew(self, leases: Leases, number: int, ends: float) -> None:
        if self.clock.time < ends and leases.renew(part_name(number)):
            self._later(self._seconds / 4, partial(self._renew, leases, number, ends))

    def _finish(self, leases: Leases, taker: PartTaker, number: int, takes: float) -> None:
        do_part(self.bench, number)
        leases.give_back(part_name(number))
        taker.drop(number)
        self.worked, self.ended = self.worked + takes, self.clock.time
        self._look(leases, taker)


def simulate(
    root: Path,
    *,
    parts: int,
    workers: int,
    lease_minutes: float = 10,
    seed: int = 0,
    fates: tuple[float, float] = (_VANISH, _SILENT),
) -> Outcome:
    """Run it in an empty folder; `fates` are the shares of attempts that vanish and that go silent."""
    return Simulation(root, parts=parts, lease_minutes=lease_minutes, seed=seed, fates=fates).run(workers)


def main() -> None:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, default in (("parts", 10_000), ("workers", 200), ("lease-minutes", 10), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given, started = parser.parse_args(), time.monotonic()
    memory = "/dev/shm"  # where every file is synced to a disk that would take most of the time
    with tempfile.TemporaryDirectory(dir=memory if Path(memory).is_dir() else None) as folder:
        found = simulate(Path(folder), **vars(given))
    print(
        f"{given.parts} parts, {given.workers} workers: {found.hours:.2f} h (all work shared out evenly: "
        f"{found.ideal_hours:.2f} h), {found.vanished} machines vanished, {found.silent} went silent, {found.twice} "
        f"parts done twice, {found.missing} missing; simulated in {time.monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
