"""The layer between a process and its system that makes writes fail: `shim.c`, compiled when it is needed.

It must be there before the C library, so trials that need it are done in a Python of their own.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from trials.row import Row

_SOURCE = Path(__file__).with_suffix(".c")
_SERVE = "from trials.shim import serve; serve()"


@dataclass(frozen=True)
class Fault:
    """Which call fails, and how."""

    number: int
    """Of the call, from 0; -1 for none."""
    errno: int = 0
    lasts: bool = False
    """Whether the disk stays full: the first write takes half, and all that takes space fails from then on."""


def compiler() -> str | None:
    """The C compiler of this machine."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def build(folder: Path) -> Path:
    """Compile the layer into a folder.

    Raises:
        CalledProcessError: the compiler does not take it.
    """
    made, found = folder / "shim.so", compiler()
    assert found is not None
    subprocess.run([found, "-O1", "-shared", "-fPIC", "-o", str(made), str(_SOURCE), "-ldl"], check=True)
    return made


def loaded() -> bool:
    """Whether this process was started with the layer."""
    return hasattr(ctypes.CDLL(None), "shim_arm")


def arm(folders: list[Path], fault: Fault, log: Path) -> None:
    """Begin to count the calls of this process that write below `folders`, a line of each in `log`."""
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    under = ":".join(str(folder.resolve()) for folder in folders).encode()
    ctypes.CDLL(None).shim_arm(under, ctypes.c_long(fault.number), fault.errno, int(fault.lasts), told)


def within(kind: str, given: argparse.Namespace) -> Iterator[Row]:
    """What `trials.KIND.measure` finds in a process with the layer; a row that was not tried where none compiles it."""
    if compiler() is None:
        yield Row(f"{kind}: SKIPPED, no C compiler here", (), ())
        return
    with tempfile.TemporaryDirectory() as home:
        path = os.pathsep.join(str(folder) for folder in (_SOURCE.parents[1], _SOURCE.parents[2]))
        env = {**os.environ, "LD_PRELOAD": str(build(Path(home))), "PYTHONPATH": path}
        with subprocess.Popen([sys.executable, "-c", _SERVE], stdin=-1, stdout=-1, env=env) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(pickle.dumps((kind, given)))
            process.stdin.close()
            while True:
                try:
                    row: Row = pickle.load(process.stdout)
                except EOFError:
                    break
                yield row
        if process.returncode:
            raise RuntimeError(f"trials of {kind} ended with exit code {process.returncode}")


def serve() -> None:
    """In that process: do the trials, send the rows."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    kind, given = pickle.load(sys.stdin.buffer)
    for row in import_module(f"trials.{kind}").measure(given):
        pickle.dump(row, out)
        out.flush()
