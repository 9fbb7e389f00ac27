"""What commands leave where nothing is theirs, and whether they reach for the network."""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trials.kills import bench, cases
from trials.kills.states import kill_before, on_events
from trials.limits.place import DONE, Place, no_network, why_not
from trials.row import Row

_PLACES = ("home", "tmp", "cwd")
_SMALL = 3000  # bytes of a file: every command fails at one
_OF_LIBRARIES = re.compile(
    r"home/(\.cache|\.config)(/matplotlib(/fontlist-[^/]*)?)?|tmp/torchinductor_[^/]*",
)
"""What all programs share that use the same libraries: matplotlib's list of fonts, an empty folder of torch's."""
_WEIGHTS = "vit_tiny_patch16_224"


def _elsewhere(base: Path) -> None:
    """Let this process have its home, temporary folder and current folder in `base`."""
    os.environ["HOME"], os.environ["TMPDIR"], tempfile.tempdir = str(base / "home"), str(base / "tmp"), None
    os.chdir(base / "cwd")


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return {str(path): (about.st_size, about.st_mtime_ns) for path, about in found}


def leftovers(place: Place, given: argparse.Namespace) -> Iterator[Row]:
    """New files in the home, the temporary and the current folder, and among the images; for every command.

    What libraries leave for all that use them is not counted.
    """
    for name in list(cases.CASES)[: given.sample or None]:
        row = Row(f"leftovers of {name}", ("none",), ("left", "not done"))
        with tempfile.TemporaryDirectory() as temporary:
            one = _Leaver(name, Path(temporary))
            for way in ("finished", "failed", "killed"):
                row.add(*one.left(way, random.Random(f"{name} {given.seed}")))
        yield row
    if not given.quick:
        yield _from_the_shell(place)


class _Leaver:
    """One command, and the places where it leaves nothing."""

    def __init__(self, name: str, base: Path) -> None:
        self.bench = bench.Bench(name, base)
        self.run, self.places = self.bench.base / "run", self.bench.base / "places"
        self.events = self.bench.base / "events.txt"
        self.bench.begin(lambda: self._command("counted"))
        self.images = _listing(self.bench.data)

    def _command(self, way: str, number: int = 0) -> None:
        for name in _PLACES:
            (self.places / name).mkdir(parents=True, exist_ok=True)
        _elsewhere(self.places)
        if way == "failed":
            resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, resource.RLIM_INFINITY))
        if way == "killed":
            kill_before(number)
        if way == "counted":
            self._count()
        bench.command(cases.filled(self.bench.case.command, self.bench.data, self.run))

    def _count(self) -> None:
        seen = itertools.count(1)

        def count(_: object) -> None:
            self.events.write_text(str(next(seen)), "ascii")

        on_events(count)

    def _do(self, way: str, number: int = 0) -> int:
        return bench.ended(bench.fork(lambda: self._command(way, number), self.bench.log))

    def left(self, way: str, rng: random.Random) -> tuple[str, str]:
        """Run the command; what lies there that was not there."""
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.places, ignore_errors=True)
        if self.bench.start.is_dir():
            shutil.copytree(self.bench.start, self.run, symlinks=True)
        code = self._do(way, rng.randrange(int(self.events.read_text("ascii"))))
        if way == "killed":
            self._do("finished")  # the next one clears away
        elif (code in DONE) != (way == "finished"):
            return "not done", f"{way}: exit {code}, {self.bench.log.read_text('utf-8')[-300:]}"
        found = [path.relative_to(self.places).as_posix() for path in self.places.rglob("*")]
        found = [name for name in found if name not in _PLACES and not _OF_LIBRARIES.fullmatch(name)]
        changed = dict(_listing(self.bench.data).items() ^ self.images.items())
        return ("left" if found or changed else "none"), f"{way}: {found[:5]} {list(changed)[:5]}"


def _from_the_shell(place: Place) -> Row:
    """A Python of its own, which imports everything while the home folder is empty."""
    row = Row("leftovers of run from the shell", ("none",), ("left", "not done"))
    base = place.bench.base / "places"
    for name in _PLACES:
        (base / name).mkdir(parents=True)
    place.clear()
    to = place.command.index("--to")
    arguments = [*place.command[:to], "--to", "report", *place.command[to + 2 :]]
    code = place.child(arguments, lambda: _at(base), anew=True)
    found = [path.relative_to(base).as_posix() for path in base.rglob("*")]
    found = [name for name in found if name not in _PLACES and not _OF_LIBRARIES.fullmatch(name)]
    row.add("not done" if code not in DONE else "left" if found else "none", f"exit {code}, {found}")
    return row


def _at(base: Path) -> None:
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    _elsewhere(base)


def network(place: Place, given: argparse.Namespace) -> Iterator[Row]:
    """Attempts to reach the network where weights are given, by run, bundle and apply."""
    base = place.bench.base
    weights, told = base / "weights.pth", base / "network.txt"
    if bench.ended(bench.fork(lambda: _write_weights(weights), place.log)):
        raise RuntimeError(place.said())
    refused = why_not(no_network, base / "refused.txt")

    def cut() -> None:
        _note_network(told)
        if not refused:
            no_network()

    run = [*place.command, "--set", f"extract.backbone={_WEIGHTS}", "--set", f"extract.weights={weights}"]
    model = str(base / "reef.segpipe")
    images = place.command[1]
    place.clear()
    for arguments in (run, ["bundle", str(place.run), model], ["apply", model, images, str(base / "out")]):
        row = Row(f"network: {arguments[0]} with weights given", ("none",), ("reached", "not done"))
        if refused:
            row.notes[f"not cut off, only watched: {refused}"] = "-"
        told.unlink(missing_ok=True)
        code = place.child(arguments, cut)
        reached = told.read_text("utf-8") if told.exists() else ""
        outcome = "reached" if reached else "none" if code in DONE else "not done"
        row.add(outcome, f"exit {code}, {reached}, {place.said()[-300:]}")
        yield row


def _write_weights(path: Path) -> None:
    import timm
    import torch

    torch.save(timm.create_model(_WEIGHTS, pretrained=False).state_dict(), path)


def _note_network(path: Path) -> None:
    """From here on every attempt of this process is a line of a file."""

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("socket.getaddrinfo", "socket.gethostbyname") or (
            name == "socket.connect" and not isinstance(arguments[1], str | bytes)
        ):
            with path.open("a") as file:
                file.write(f"{name} {arguments[1:] if name == 'socket.connect' else arguments[:1]}\n")

    sys.addaudithook(hook)
