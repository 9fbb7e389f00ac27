"""Commands that are ended: signals at any moment, and worker processes that are killed."""

from __future__ import annotations

import argparse
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from trials.kills import bench
from trials.limits.place import DONE, HANGS, Place
from trials.row import Row

_KINDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GOOD = ("exit 128 + number", "done before")
_BAD = ("wrong exit", "traceback", "not one line", "different", "stray", "stuck", "hang")


def _duration(place: Place, arguments: list[str]) -> float:
    place.clear()
    begun = time.monotonic()
    place.child(arguments, anew=_anew(arguments))
    return time.monotonic() - begun


def _anew(arguments: list[str]) -> bool:
    """With worker processes Python begins anew: a forked child ends without what frees their locks."""
    return "runtime.workers=2" in arguments


def _lines(said: str) -> int:
    """Lines that say how it ended."""
    return sum(not line.startswith("warning: ") for line in said.splitlines())


def _until_listening(pid: int) -> None:
    """Wait until a child catches SIGTERM: before that it has not begun."""
    for _ in range(2000):
        try:
            lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        except OSError:
            return
        caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt")), 0)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.005)


def signals(place: Place, given: argparse.Namespace) -> Iterator[Row]:
    """SIGINT, SIGTERM and SIGHUP at moments drawn by chance."""
    workers = ["--set", "runtime.workers=2"]
    for name, more, times in (("run", [], 16), ("run, 2 workers", workers, 4)):
        if more and given.quick:
            return
        arguments = [*place.command, *more]
        lasts = _duration(place, arguments)
        for kind in _KINDS[-1:] if given.quick else _KINDS:
            row = Row(f"{kind.name} to {name}", _GOOD, _BAD)
            rng = random.Random(f"{kind} {given.seed}")
            for _ in range(given.sample or (2 if given.quick else times)):
                row.add(*_ended(place, arguments, kind, rng.uniform(0, lasts)))
            yield row


def _ended(place: Place, arguments: list[str], kind: signal.Signals, moment: float) -> tuple[str, str]:
    place.clear()
    pid = place.start(arguments, anew=_anew(arguments))
    _until_listening(pid)
    time.sleep(moment)
    os.kill(pid, kind)  # a child that has ended is still ours to wait for
    code, said = bench.ended(pid), place.said()
    about = f"after {moment:.3f} s: exit {code}, {said[-300:]}"
    if code == HANGS:
        return "hang", about
    if any(word in said for word in ("Traceback", "Exception ignored", "leaked")):
        return "traceback", about
    if code not in (*DONE, 128 + kind):
        return "wrong exit", about
    if code not in DONE and _lines(said) != 1:
        return "not one line", about
    outcome, why = place.afterwards()
    if outcome != "worked":
        return outcome, f"{why}; {about}"
    return ("done before" if code in DONE else "exit 128 + number"), about


def workers(place: Place, given: argparse.Namespace) -> Iterator[Row]:
    """SIGKILL to one of the processes that a command has started."""
    arguments = [*place.command, "--set", "runtime.workers=2"]
    lasts = _duration(place, arguments)
    row = Row("one worker process killed", ("exit 5", "went on", "none was there"), (*_BAD, "internal error"))
    rng = random.Random(f"workers {given.seed}")
    for _ in range(given.sample or 20):
        place.clear()
        pid, moment = place.start(arguments, anew=True), rng.uniform(0, lasts)
        time.sleep(moment)
        found = _children(pid)
        if found:
            os.kill(rng.choice(found), signal.SIGKILL)
        code, said = bench.ended(pid), place.said()
        outcome = {5: "exit 5", 1: "internal error", HANGS: "hang"}.get(code, "wrong exit")
        if code in DONE:
            outcome = "went on" if found else "none was there"
        elif "Traceback" in said:
            outcome = "traceback"
        elif code == 5 and _lines(said) != 1:
            outcome = "not one line"
        if outcome in row.good:
            then, why = place.afterwards()
            outcome, said = (outcome, said) if then == "worked" else (then, f"{why}; {said}")
        row.add(outcome, f"after {moment:.3f} s: exit {code}, {said[-300:]}")
    yield row


def _children(pid: int) -> list[int]:
    """Processes that a process has started, but for the one that only counts what others leave."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text("ascii").split():
            try:
                line = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            if b"resource_tracker" not in line:
                found.append(int(child))
    return found
