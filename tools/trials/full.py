"""Full and broken disks: every call that writes fails once, or from then on, in every command of `kills.cases`.

The disks are those of the run, or OUT, and of the temporary folder. The command must end with exit code 5 in one line
and, with room again, make what an untouched command makes; or do so although the call failed.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from trials import shim
from trials.kills import bench, cases
from trials.row import Row, sample
from trials.shim import Fault

GOOD = ("equal", "equal at once")
BAD = (
    "done but not whole", "different", "stuck", "stray", "internal error", "blames the file", "not one line", "crash",
    "hang",
)  # fmt: skip
WAYS = {
    "no space once": (errno.ENOSPC, False),
    "no space from then on": (errno.ENOSPC, True),
    "input/output error": (errno.EIO, False),
}
_QUICK = {"export": ("no space from then on", "input/output error")}
_USUAL = 10
"""Tries of a row where nothing is said."""
_HANGS = -9


def options(parser: argparse.ArgumentParser) -> None:
    """The options of this kind."""
    parser.add_argument("cases", nargs="*", help="which commands (tools/trials/kills/cases.py), all by default")
    parser.add_argument("--every", action="store_true", help="let every call fail, not one of each file and call")


def measure(given: argparse.Namespace) -> Iterator[Row]:
    """A row for each command and each way to fail."""
    if not shim.loaded():
        yield from shim.within("full", given)
        return
    bench.warm()
    for name in getattr(given, "cases", ()) or (_QUICK if given.quick else cases.CASES):
        with tempfile.TemporaryDirectory() as temporary:
            disk = Disk(name, given.folder or Path(temporary))
            disk.prepare()
            for way in _QUICK.get(name, tuple(WAYS)) if given.quick else WAYS:
                yield disk.row(way, given)


class Disk:
    """One command on disks that fail."""

    def __init__(self, name: str, base: Path) -> None:
        self.name = name
        self.bench = bench.Bench(name, base)
        self.calls: list[str] = []

    def prepare(self) -> None:
        """Make the untouched run, and list the calls of another one: caches are warm then, as they are later."""
        base = self.bench.base
        self.bench.begin(lambda: self._command(base, Fault(-1)))
        self._start(base / "listed")
        bench.ended(bench.fork(lambda: self._command(base / "listed", Fault(-1)), base / "listed" / "log.txt"))
        self.calls = (base / "listed" / "calls.txt").read_text("utf-8", "replace").splitlines()

    def _command(self, state: Path, fault: Fault) -> None:
        """In a child: the command on `state / "run"`, with one of its calls failing."""
        temporary = state / "tmp"
        temporary.mkdir(exist_ok=True)
        os.environ["TMPDIR"], tempfile.tempdir = str(temporary), None
        shim.arm([state / "run", temporary], fault, state / "calls.txt")
        bench.command(cases.filled(self.bench.case.command, self.bench.data, state / "run"))

    def _start(self, state: Path) -> None:
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        if self.bench.start.is_dir():
            shutil.copytree(self.bench.start, state / "run", symlinks=True)

    def chosen(self, given: argparse.Namespace) -> list[int]:
        """Numbers of the calls that are to fail: of every kind of call and file one, unless all are wanted."""
        if getattr(given, "every", False):
            return sample(range(len(self.calls)), given.sample, given.seed)
        kinds = defaultdict[str, list[int]](list)
        for number, said in enumerate(self.calls):
            kinds[re.sub(r"[0-9a-f]{8,}|\d+", "#", said)].append(number)
        rng = random.Random(given.seed)
        numbers = sorted(rng.choice(each) for each in kinds.values())
        return sample(numbers, given.sample or (2 if given.quick else _USUAL), given.seed)

    def row(self, way: str, given: argparse.Namespace) -> Row:
        """Let calls fail in one way, `jobs` side by side."""
        row = Row(f"{self.name}: {way}", GOOD, BAD, notes={"calls that write": len(self.calls)})
        number, lasts = WAYS[way]
        running: dict[int, Path] = {}
        rest = list(reversed(self.chosen(given)))
        while rest or running:
            while rest and len(running) < given.jobs:
                state = self.bench.base / f"fault{rest[-1]}"
                self._start(state)
                fault = Fault(rest.pop(), number, lasts)
                running[bench.fork(lambda s=state, f=fault: self._try(s, f), state / "fork.txt")] = state  # type: ignore[misc]
            pid, _ = os.wait()
            state = running.pop(pid)
            if (state / "found.json").is_file():
                row.add(*json.loads((state / "found.json").read_text("utf-8")))
            else:
                row.add("crash", (state / "fork.txt").read_text("utf-8")[-300:])
            shutil.rmtree(state)
        return row

    def _try(self, state: Path, fault: Fault) -> None:
        """In a child of its own: the command with a failing call, then again without."""
        code = bench.ended(bench.fork(lambda: self._command(state, fault), state / "said.txt"))
        said = (state / "said.txt").read_text("utf-8", "replace").strip().splitlines()
        lines = (state / "calls.txt").read_text("utf-8", "replace").splitlines()
        failed = next((line for line in lines if line.startswith("FAILED")), "no call failed")
        outcome, why = self._first(code, said, state / "run")
        if not outcome:
            self.bench.again(state)
            found = json.loads((state / "outcome.json").read_text("utf-8"))
            outcome, why = found["outcome"], found["why"]
        left = sorted(path.name for path in (state / "tmp").iterdir())
        if outcome in GOOD and left and not failed.startswith("FAILED"):
            outcome, why = "stray", f"in TMPDIR: {', '.join(left[:3])}"
        about = f"call {fault.number}, {failed.replace(str(state), '')}: exit {code}, {' / '.join(said[-3:])}; {why}"
        (state / "found.json").write_text(json.dumps([outcome, about]), "utf-8")

    def _first(self, code: int, said: Sequence[str], run: Path) -> tuple[str, str]:
        """What is to say of the command whose call failed; nothing where all depends on the next one."""
        if code in (0, 4):
            verdict, why = bench.verdict(run, bench.artefacts(self.bench.whole))
            whole = verdict == "equal" and not damaged_page(run)
            outcome = "stray" if verdict == "stray" else "done but not whole"
            return ("equal at once", "") if whole else (outcome if code == 0 else "blames the file", why)
        if code == 5:
            return ("", "") if sum("error: " in line for line in said) == 1 else ("not one line", "")
        names = {1: "internal error", _HANGS: "hang"}
        return names.get(code, "blames the file" if code in (2, 3) else "crash"), ""


def damaged_page(run: Path) -> bool:
    """Whether a page, whose bytes are not compared because of its times, is cut off."""
    return any("</html>" not in path.read_text("utf-8")[-20:] for path in run.glob("report/*.html"))
