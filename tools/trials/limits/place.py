"""A place for trials of limits: photographs, an untouched run, and commands in children that lack something."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trials.kills import bench, cases
from trials.row import Row

GOOD = ("worked", "exit 5")
BAD = ("died", "internal error", "wrong exit", "not one line", "different", "stray", "stuck", "hang")
DONE, HANGS = (0, 4), -9
_NEW_MOUNTS, _NEW_USER, _NEW_NETWORK = 0x20000, 0x10000000, 0x40000000
_BIND, _REMOUNT, _READ_ONLY, _PRIVATE, _RECURSIVE = 4096, 32, 1, 1 << 18, 16384

Setup = Callable[[], None]
"""Done in the child before the command."""


class Place:
    """`run` is where every command works; `whole` is what it should look like."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.bench = bench.Bench("again", base)
        self.run, self.log = self.bench.base / "run", self.bench.base / "said.txt"
        self.command = cases.filled(cases.CASES["run"].command, self.bench.data, self.run)
        self.command[self.command.index("--to") + 1] = "refine"  # reports are not compared, and take time
        if self.child(self.command) not in DONE:
            raise RuntimeError(self.said())
        self.wanted = bench.artefacts(self.run)

    @classmethod
    @contextmanager
    def made(cls, folder: Path | None) -> Iterator[Place]:
        """A place in `folder`, or in a temporary one."""
        with tempfile.TemporaryDirectory() as temporary:
            yield cls(folder or Path(temporary))

    def said(self) -> str:
        """What the last command said."""
        return self.log.read_text("utf-8", "replace").strip()

    def start(self, arguments: Sequence[str], setup: Setup = lambda: None, *, anew: bool = False) -> int:
        """Begin a command in a child.

        Args:
            arguments: of segpipe.
            setup: what the child lacks.
            anew: whether Python begins anew, so that imports lack it too.

        Returns:
            Its process id.
        """

        def work() -> None:
            setup()
            if anew:
                os.execv(sys.executable, [sys.executable, "-m", "segpipe", *arguments])
            bench.command(arguments)

        return bench.fork(work, self.log)

    def child(self, arguments: Sequence[str], setup: Setup = lambda: None, *, anew: bool = False) -> int:
        """Do a command in a child; its exit code."""
        return bench.ended(self.start(arguments, setup, anew=anew))

    def clear(self) -> None:
        """Nothing is there."""
        shutil.rmtree(self.run, ignore_errors=True)

    def afterwards(self) -> tuple[str, str]:
        """The command without a limit: `worked`, or what is wrong with what it made."""
        if self.child(self.command) not in DONE:
            return "stuck", self.said()[-300:]
        outcome, why = bench.verdict(self.run, self.wanted)
        return ("worked" if outcome == "equal" else outcome), why

    def lacking(self, row: Row, about: str, setup: Setup, *, anew: bool = False, where: Sequence[str] = ()) -> None:
        """One try: the command from the start while it lacks something, then without."""
        self.clear()
        for name in where:
            (self.bench.base / name).mkdir(exist_ok=True)
        code = self.child([*self.command, *self._more(row)], setup, anew=anew)
        said = self.said()
        outcome = ending(code, said)
        if outcome == "not one line" and "both outputs" in row.trial:  # where should it be said?
            outcome = "exit 5"
        if outcome in row.good:
            then, why = self.afterwards()
            outcome, said = (outcome, said) if then == "worked" else (then, f"{why}; {said}")
        row.add(outcome, f"{about}: exit {code}, {said[-400:]}")

    @staticmethod
    def _more(row: Row) -> list[str]:
        return ["--set", "runtime.workers=2"] if "workers" in row.trial else []


def ending(code: int, said: str) -> str:
    """How a command ended that may end with exit code 5."""
    if code in DONE:
        return "worked"
    if code in (1, 70) or "Traceback" in said:
        return "internal error"
    if code == HANGS:
        return "hang"
    if code < 0:
        return "died"
    if code != 5:
        return "wrong exit"
    return "exit 5" if sum("error: " in line for line in said.splitlines()) == 1 else "not one line"


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def unshared(flags: int) -> None:
    """Part this process from the system's mounts or network.

    Raises:
        OSError: that is not allowed here.
    """
    if _libc().unshare(flags if os.geteuid() == 0 else flags | _NEW_USER):
        raise OSError(ctypes.get_errno(), "unshare is not allowed")


def no_network() -> None:
    """Take the network from this process."""
    unshared(_NEW_NETWORK)


def mount(kind: str | None, target: Path, flags: int, data: str = "") -> None:
    """Mount something, as the system call does.

    Raises:
        OSError: as it says.
    """
    source = b"none" if kind else os.fsencode(target)
    if _libc().mount(source, os.fsencode(target), kind and kind.encode(), flags, data.encode()):
        raise OSError(ctypes.get_errno(), f"mount {target}")


def mounted(target: Path, *, size: int = 0) -> None:
    """In this process alone: a folder is a disk of `size` bytes, or, with 0, what it was but read-only."""
    unshared(_NEW_MOUNTS)
    mount(None, Path("/"), _PRIVATE | _RECURSIVE)
    if size:
        mount("tmpfs", target, 0, f"size={size}")
    else:
        mount(None, target, _BIND)
        mount(None, target, _BIND | _REMOUNT | _READ_ONLY)


def why_not(setup: Setup, log: Path) -> str:
    """Why a child cannot do a setup; empty where it can."""
    return log.read_text("utf-8").strip() if bench.ended(bench.fork(setup, log)) else ""
