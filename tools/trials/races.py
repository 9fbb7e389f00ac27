"""Races: 2 to 8 commands at once on one run, or into one folder.

Each works, or ends with exit code 6 because another one does; what they leave is, byte by byte, what those that worked
leave one after the other, in one order or another. Afterwards the first of them works.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trials.kills import bench, cases
from trials.row import Row

GOOD = ("as in a line",)
BAD = ("different", "stray", "internal error", "wrong error", "nobody works", "stuck", "hang")
_SPREADS = (0, 0.3, 1)
"""Times as long as the first command takes, within which the commands begin."""
_HANGS, _WORKED, _BUSY = -9, (0, 4), 6


@dataclass(frozen=True)
class Race:
    """Commands that begin together."""

    case: str
    """Of `kills.cases`: whose data there are, and what is there before."""
    commands: Sequence[Sequence[str]]
    times: int


def _again(name: str, count: int, times: int) -> Race:
    return Race(name, [cases.CASES[name].command] * count, times)


_SIMILAR = ["similar", "{run}", "reef 00", "-q"]
_OUT = "{run}"
_SAMPLE = ["sample", "photos", _OUT, "--count", "4"]
_SETS = (*cases.QUICK, *cases.LIGHT, "train.method=pca")
_DEMO = ["demo", _OUT, "-q", *(part for pair in _SETS for part in ("--set", pair))]
_SPLIT, _MERGE = cases.CASES["split"].command, cases.CASES["merge"].command

RACES: dict[str, Race] = {
    "2 x run": _again("run", 2, 5),
    "4 x run": _again("run", 4, 2),
    "8 x run": _again("run", 8, 1),
    "run and export": Race("again", [cases.CASES["again"].command, cases.CASES["export"].command], 5),
    "run and similar": Race("again", [cases.CASES["again"].command, _SIMILAR, _SIMILAR], 3),
    "split and merge": Race("merge", [_SPLIT, _MERGE], 8),
    "2 x split": _again("split", 2, 4),
    "2 x apply": _again("apply", 2, 4),
    "4 x apply": _again("apply again", 4, 2),
    "4 x bundle": _again("bundle", 4, 3),
    "apply and bundle": Race(
        "apply", [cases.CASES["apply"].command, ["bundle", "{data}/run", "{data}/reef.segpipe", "-q"]], 3
    ),
    "4 x similar": Race("export", [_SIMILAR] * 4, 2),
    "evaluate and cover": Race("cover", [cases.CASES["evaluate"].command, cases.CASES["cover"].command], 3),
    "4 x sample": Race("", [_SAMPLE] * 4, 3),
    "2 x demo": Race("", [_DEMO] * 2, 2),
}
_QUICK = {"split and merge": 1, "4 x sample": 1}


def options(parser: argparse.ArgumentParser) -> None:
    """The options of this kind."""
    parser.add_argument("races", nargs="*", help="which races (tools/trials/races.py), all by default")


def measure(given: argparse.Namespace) -> Iterator[Row]:
    """A row for each race."""
    bench.warm()
    for name in getattr(given, "races", ()) or (_QUICK if given.quick else RACES):
        times = given.sample or (_QUICK.get(name, 1) if given.quick else RACES[name].times)
        with tempfile.TemporaryDirectory() as temporary:
            track = Track(name, given.folder or Path(temporary))
            row = Row(name, GOOD, BAD)
            for number in range(times):
                row.add(*track.race(random.Random(f"{name} {given.seed} {number}")))
        row.notes["commands that worked"] = track.worked
        yield row


class Track:
    """Where one race is run; all of it at one place, since some files name theirs."""

    def __init__(self, name: str, base: Path) -> None:
        self.race_ = RACES[name]
        self.bench = bench.Bench(self.race_.case or "run", base)
        self.run = self.bench.base / "run"
        self.worked = 0
        self._lines: dict[tuple[int, ...], dict[str, bytes]] = {}
        for arguments in self.bench.case.before if self.race_.case else ():
            self._one(arguments)
        if self.run.is_dir():
            self.run.rename(self.bench.start)
        begun = time.monotonic()
        self._line((0,))
        self._lasts = time.monotonic() - begun

    def _command(self, arguments: Sequence[str], wait: float = 0) -> None:
        time.sleep(wait)
        bench.command(cases.filled(arguments, self.bench.data, self.run))

    def _one(self, arguments: Sequence[str]) -> int:
        return bench.ended(bench.fork(lambda: self._command(arguments), self.bench.log))

    def _place(self) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        if self.bench.start.is_dir():
            shutil.copytree(self.bench.start, self.run, symlinks=True)

    def _line(self, order: tuple[int, ...]) -> dict[str, bytes]:
        """What the commands leave one after the other."""
        found = self._lines.get(order)
        if found is None:
            self._place()
            for number in order:
                if self._one(self.race_.commands[number]) not in _WORKED:
                    raise RuntimeError(f"{self.bench.base.name}: {self.bench.log.read_text('utf-8')}")
            found = self._lines[order] = self._comparable(self.run)
        return found

    def _comparable(self, run: Path) -> dict[str, bytes]:
        """What lies there; a manifest holds the times of a demo's images, so that one goes."""
        if not self.race_.case:
            (run / "manifest.json").unlink(missing_ok=True)
        return bench.artefacts(run)

    def race(self, rng: random.Random) -> tuple[str, str]:
        """One race: how it ended, and about it."""
        self._place()
        spread = rng.choice(_SPREADS) * self._lasts
        logs = [self.bench.base / f"said{number}.txt" for number in range(len(self.race_.commands))]
        started = [
            bench.fork(lambda c=each, w=rng.random() * spread: self._command(c, w), log)  # type: ignore[misc]  # noqa: B008
            for each, log in zip(self.race_.commands, logs, strict=True)
        ]
        codes = [bench.ended(pid) for pid in started]
        said = [log.read_text("utf-8").strip()[-300:] for log in logs]
        about = json.dumps([codes, said])
        for outcome, found in (
            ("hang", _HANGS in codes),
            ("internal error", 1 in codes or any(code < 0 for code in codes)),
            ("wrong error", not set(codes) <= {*_WORKED, _BUSY}),
            ("nobody works", not set(codes) & set(_WORKED)),
        ):
            if found:
                return outcome, about
        done = [number for number, code in enumerate(codes) if code in _WORKED]
        self.worked += len(done)
        kept = self.bench.base / "raced"
        shutil.rmtree(kept, ignore_errors=True)
        self.run.rename(kept)
        self._comparable(kept)
        outcome, why = self._compared(kept, done)
        if outcome == GOOD[0]:
            kept_for = self.race_.commands[0]
            shutil.rmtree(self.run, ignore_errors=True)
            kept.rename(self.run)
            code = self._one(kept_for)
            outcome, why = (outcome, why) if code in _WORKED else ("stuck", self.bench.log.read_text("utf-8"))
        return outcome, f"{why}; {about}"

    def _compared(self, kept: Path, done: Sequence[int]) -> tuple[str, str]:
        """The best verdict among all orders; of commands that are the same one order is tried."""
        orders = {tuple(str(self.race_.commands[n]) for n in order): order for order in itertools.permutations(done)}
        found = [bench.verdict(kept, self._line(tuple(order))) for order in orders.values()]
        outcome, why = min(found, key=lambda each: ("equal", "stray", "different").index(each[0]))
        return (GOOD[0] if outcome == "equal" else outcome), why
