"""Commands that lack something: files, memory, processes, room, places, a terminal."""

from __future__ import annotations

import argparse
import functools
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from trials.limits.place import BAD, DONE, GOOD, Place, Setup, ending, mounted, why_not
from trials.row import Row, sample

_PAGE = resource.getpagesize()


def _limited(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def _memory(more: int) -> None:
    """So many bytes beyond what this process has."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    _limited(resource.RLIMIT_AS, pages * _PAGE + more)


def resources(place: Place, given: argparse.Namespace) -> Iterator[Row]:
    """Few open files, little memory, small files, few processes."""
    limits: dict[str, tuple[Callable[[int], None], tuple[int, ...]]] = {
        "open files (ulimit -n)": (functools.partial(_limited, resource.RLIMIT_NOFILE), (6, 8, 10, 12, 16, 24, 32, 64)),
        "memory beyond imports, MB": (lambda value: _memory(value << 20), (16, 64, 256, 1024, 4096)),
        "bytes of a file (ulimit -f)": (functools.partial(_limited, resource.RLIMIT_FSIZE), (1000, 20_000, 200_000)),
    }
    for name, (setup, values) in limits.items():
        dies = ("died",) if "memory" in name else ()  # libraries that crash for want of memory, as by SIGKILL
        row = Row(f"run with few {name}", (*GOOD, *dies), [each for each in BAD if each not in dies])
        for value in sample(values, given.sample or (1 if given.quick else 0), given.seed):
            place.lacking(row, str(value), functools.partial(setup, value))
        yield row
    if given.quick:
        return
    row = Row("run from the shell with few open files", GOOD, BAD)
    for value in (16, 64):
        place.lacking(row, str(value), functools.partial(_limited, resource.RLIMIT_NOFILE, value), anew=True)
    yield row
    row = Row("run with few processes (ulimit -u), 2 workers", GOOD, BAD)
    if os.geteuid() == 0:
        row.notes["SKIPPED: root may start as many as it likes"] = "-"
    else:
        for value in (1, 20, 60):
            place.lacking(row, str(value), functools.partial(_limited, resource.RLIMIT_NPROC, value))
    yield row


def _environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    tempfile.tempdir = None


def places(place: Place, given: argparse.Namespace) -> Iterator[Row]:
    """Folders that are read-only, full or missing."""
    base = place.bench.base
    temporary, home = base / "temporary", base / "home"

    def lent(values: dict[str, str | None], target: Path, size: int = 0) -> Setup:
        def setup() -> None:
            _environment(values)
            mounted(target, size=size)

        return setup

    tries: dict[str, tuple[Setup, bool]] = {
        "RUN is read-only": (lent({}, place.run), False),
        "TMPDIR is read-only": (lent({"TMPDIR": str(temporary)}, temporary), True),
        "TMPDIR has 4 kB": (lent({"TMPDIR": str(temporary)}, temporary, 4096), True),
        "TMPDIR is missing": (functools.partial(_environment, {"TMPDIR": str(base / "missing")}), True),
        "HOME is read-only": (lent({"HOME": str(home)}, home), True),
        "HOME is not set": (functools.partial(_environment, {"HOME": None}), True),
        "HOME is missing": (functools.partial(_environment, {"HOME": str(base / "missing")}), True),
        "RUN's disk has 100 kB": (lent({}, place.run, 100_000), False),
        "no /dev/shm, 2 workers": (lent({}, Path("/dev/shm")), False),
        "/dev/shm has 4 kB, 2 workers": (lent({}, Path("/dev/shm"), 4096), False),
        "LC_ALL=C": (functools.partial(_environment, {"LC_ALL": "C"}), True),
        "file names of ASCII alone": (
            functools.partial(_environment, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
            True,
        ),
    }
    for name, (setup, anew) in list(tries.items())[: given.sample or None]:
        row = Row(name, GOOD, BAD)
        for each in ("run", "temporary", "home"):
            (base / each).mkdir(exist_ok=True)
        refused = why_not(setup, base / "refused.txt")
        if refused:
            row.notes[f"SKIPPED: {refused}"] = "-"
        elif "TMPDIR" in name:
            _bundling(place, row, name, setup)
        else:
            place.lacking(row, name, setup, anew=anew, where=("run", "temporary", "home"))
        yield row


def _bundling(place: Place, row: Row, name: str, setup: Setup) -> None:
    """What needs temporary folders: a bundle, then masks by it."""
    base = place.bench.base
    place.afterwards()
    model = base / "reef.segpipe"
    for arguments in (
        ["bundle", str(place.run), str(model), "-q"],
        ["apply", str(model), place.command[1], str(base / "out"), "-q", "--workers", "1"],
    ):
        code = place.child(arguments, setup, anew=True)
        outcome, said = ending(code, place.said()), place.said()
        if outcome in GOOD and place.child(arguments) not in DONE:
            outcome, said = "stuck", place.said()
        row.add(outcome, f"{name}: {arguments[0]}: exit {code}, {said[-300:]}")


def terminals(place: Place, given: argparse.Namespace) -> Iterator[Row]:
    """Outputs that are closed, or whose reader has gone."""

    def closed(*numbers: int) -> None:
        for number in numbers:
            os.close(number)

    def unread(*numbers: int) -> None:
        read, write = os.pipe()
        for number in numbers:
            os.dup2(write, number)
        os.close(read)

    def full(*numbers: int) -> None:
        for number in numbers:
            os.dup2(os.open("/dev/full", os.O_WRONLY), number)

    for name, setup in {"closed": closed, "a pipe without reader": unread, "a full disk": full}.items():
        for numbers, stream in (((1,), "standard output"), ((2,), "standard error"), ((1, 2), "both outputs")):
            row = Row(f"{stream}: {name}", GOOD, BAD)
            place.lacking(row, name, functools.partial(setup, *numbers), anew=True)
            if 1 in numbers:
                code = place.child(["show", str(place.run)], functools.partial(setup, *numbers), anew=True)
                outcome = (
                    "internal error" if "Traceback" in place.said() else "worked" if code in (0, 5) else "wrong exit"
                )
                row.add(outcome, f"show: exit {code}, {place.said()[-300:]}")
            yield row
