"""Trials: a warm process that forks a child for every command, starts it from a state, and compares what it leaves."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trials.kills.cases import CASES, DATA, Case, filled
from trials.kills.states import Recorder, kill_before, on_events
from trials.row import Row, sample

GOOD, BAD = ("equal",), ("stray", "different", "stuck")
_DATED = ("report/", "head/tb/", ".lock")
_LIMIT = 300.0
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
"""As GeoPackages hold it, in several tables."""


@dataclass(frozen=True)
class Trial:
    """One kill and what came of it."""

    event: int
    said: str
    """The event, in words."""
    torn: bool
    """Whether the file that it opens was cut to nothing."""
    outcome: str
    why: str = ""

    def __str__(self) -> str:
        return f"event {self.event}{' torn' if self.torn else ''}, {self.said}: {self.why}"


def warm() -> None:
    """Import what commands import, so that children need not. No thread may be started here: none survives a fork."""
    import segpipe.api
    import segpipe.cli.entry
    import segpipe.nn.classical
    import segpipe.nn.head
    import segpipe.stages.train.loop  # noqa: F401  torch


def fork(work: Callable[[], None], log: Path) -> int:
    """Do some work in a child whose output goes to a file; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """The exit code of a child; minus the signal where one ended it, -9 after `_LIMIT` seconds too."""
    start = time.monotonic()
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() - start > _LIMIT:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def command(arguments: Sequence[str]) -> None:
    """Run segpipe; ends with SystemExit."""
    from segpipe.cli.entry import main

    main(arguments)


def settle(run: Path) -> None:
    """Open a run for writing and do nothing: whatever was begun is finished or taken back."""
    from segpipe.pipeline import open_run

    with open_run(run).lock():
        pass


def artefacts(run: Path) -> dict[str, bytes]:
    """All files of a run; of the manifest what does not tell the time or the machine."""
    found = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.is_file() and not name.startswith(".lock"):
            dated = name.startswith(_DATED) and "tmp" not in name
            content = b"" if dated else path.read_bytes()
            content = _TIME.sub(b"", content) if name.endswith(".gpkg") else content
            found["head/tb/" if name.startswith("head/tb/") else name] = content
    if "manifest.json" in found:
        found["manifest.json"] = _timeless(found["manifest.json"])
    return found


def _timeless(manifest: bytes) -> bytes:
    stages = json.loads(manifest)["stages"]
    kept = {name: {key: stages[name][key] for key in ("key", "artefact", "parts")} for name in sorted(stages)}
    return json.dumps(kept, sort_keys=True).encode()


def verdict(run: Path, wanted: dict[str, bytes]) -> tuple[str, str]:
    """How a run compares with an untouched one, and the first files that differ."""
    found = artefacts(run)
    wrong = [name for name, content in wanted.items() if found.get(name) != content]
    if wrong:
        return "different", f"{len(wrong)} files, such as {', '.join(wrong[:3])}"
    stray = sorted(found.keys() - wanted.keys())
    return ("stray", ", ".join(stray[:3])) if stray else ("equal", "")


class Bench:
    """Runs the trials of one case in a folder."""

    def __init__(self, name: str, base: Path) -> None:
        self.case: Case = CASES[name]
        self.base = base / name.replace(" ", "_")
        shutil.rmtree(self.base, ignore_errors=True)
        self.base.mkdir(parents=True)
        self.log = self.base / "log.txt"
        self.data = base / "data" / self.case.data
        if not self.data.is_dir():
            self.data.mkdir(parents=True)
            self._done(lambda: DATA[self.case.data](self.data))  # in a child: drawing starts threads
        self.start, self.whole, self.states = (self.base / part for part in ("start", "whole", "states"))
        self.events = 0

    def prepare(self) -> None:
        """Make the run that the command starts from, then the untouched one, with a copy before every event."""
        run, counted = self.base / "run", self.base / "events"

        def record() -> None:
            recorder = Recorder(run, self.states)
            on_events(recorder)
            try:
                command(filled(self.case.command, self.data, run))
            finally:
                counted.write_text(str(recorder.events), "utf-8")

        self.begin(record)
        self.events = int(counted.read_text("utf-8"))

    def begin(self, work: Callable[[], None]) -> None:
        """Make the run that the command starts from, then by `work` on `base / "run"` the untouched one."""
        run = self.base / "run"
        for arguments in self.case.before:
            self._done(lambda arguments=arguments: command(filled(arguments, self.data, run)))  # type: ignore[misc]
        if run.is_dir():
            shutil.copytree(run, self.start, symlinks=True)
        self._done(work)
        run.rename(self.whole)

    def _done(self, work: Callable[[], None]) -> None:
        code = ended(fork(work, self.log))
        if code not in (0, 4):
            raise RuntimeError(f"{self.base.name}: exit {code}: {self.log.read_text('utf-8')}")

    def trials(self, chosen: Sequence[Path], jobs: int) -> Iterator[Trial]:
        """Start the command again from each state, `jobs` side by side."""
        running: dict[int, Path] = {}
        rest = list(reversed(chosen))
        while rest or running:
            while rest and len(running) < jobs:
                state = rest.pop()
                running[fork(lambda state=state: self.again(state), state / "fork.txt")] = state  # type: ignore[misc]
            pid, _ = os.wait()
            state = running.pop(pid)
            about, outcome = (json.loads((state / f"{part}.json").read_text("utf-8")) for part in ("about", "outcome"))
            shutil.rmtree(state)
            yield Trial(**about, **outcome)

    def again(self, state: Path) -> None:
        """The command again on `state / "run"`, and the verdict in `state / "outcome.json"`; in a child of its own."""
        run, wanted = state / "run", artefacts(self.whole)
        outcome, why = "", ""
        if self.case.once and not ended(fork(lambda: settle(run), state / "log.txt")):
            outcome, why = verdict(run, wanted)
        if outcome not in ("equal", "stray"):
            code = ended(fork(lambda: command(filled(self.case.command, self.data, run)), state / "log.txt"))
            said = (state / "log.txt").read_text("utf-8").strip().split("\n")[-1]
            outcome, why = verdict(run, wanted) if code in (0, 4) else ("stuck", f"exit {code}: {said}")
        (state / "outcome.json").write_text(json.dumps({"outcome": outcome, "why": why}), "utf-8")

    def real(self, numbers: Sequence[int]) -> Iterator[Trial]:
        """The same with SIGKILL itself, one after the other: that copies tell the truth."""
        for number in numbers:
            state = self.base / "real"
            shutil.rmtree(state, ignore_errors=True)
            state.mkdir()
            if self.start.is_dir():
                shutil.copytree(self.start, state / "run", symlinks=True)
            arguments = filled(self.case.command, self.data, state / "run")

            def killed(number: int = number, arguments: Sequence[str] = arguments) -> None:
                kill_before(number)
                command(arguments)

            if ended(fork(killed, state / "killed.txt")) != -signal.SIGKILL:
                continue  # the first command that ran here left fewer events to the next: caches are warm
            self.again(state)
            yield Trial(number, "SIGKILL", False, **json.loads((state / "outcome.json").read_text("utf-8")))


def measure(name: str, given: argparse.Namespace, *, real: int) -> Iterator[Row]:
    """All trials of a case: one row for the states that were copied, one for SIGKILL itself.

    Args:
        name: of `CASES`.
        given: `sample`, `seed`, `jobs`, `folder` as the scorecard takes them.
        real: how many events to kill at with SIGKILL too.
    """
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(name, given.folder or Path(temporary))
        bench.prepare()
        states = sorted(bench.states.iterdir())
        copies = Row(
            f"{name}: killed before an event", GOOD, BAD, notes={"events": bench.events, "states": len(states)}
        )
        for trial in bench.trials(sample(states, given.sample or (8 if given.quick else 0), given.seed), given.jobs):
            copies.add(trial.outcome, str(trial))
        yield copies
        signalled = Row(f"{name}: SIGKILL itself", GOOD, BAD)
        for trial in bench.real(sample(range(bench.events), real, given.seed)) if real else ():
            signalled.add(trial.outcome, str(trial))
        if real:
            yield signalled
