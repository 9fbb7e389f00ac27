"""A command whose workers are starting, and Ctrl-C at a chosen moment: `python -m tests.helpers.interrupted N ...`.

The N-th call of a Python function within the files that start and feed workers, in whatever thread, sends SIGINT to the
whole group, as a terminal does. Printed is a line a moment: N, the exit code, or `hangs`, and how many such calls there
were where the signal never came. Processes are forked, so that what takes seconds to import is imported once.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn

from segpipe.base.parallel import process_map
from segpipe.cli import app, entry

WATCHED = ("guarded.py", "parallel.py", "subprocess.py", "thread.py", "threading.py", "_base.py", "signal.py")
WORKERS, ITEMS = 2, 6
PATIENCE = 30.0  # seconds after which a command counts as hanging


def command(moment: int) -> NoReturn:
    """Run the command in this process, a leader of a group, and end it."""
    count = itertools.count(1)

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.endswith(WATCHED) and next(count) == moment:
            os.killpg(0, signal.SIGINT)

    # who looks where the signal came sees the function that was called, as without this one
    watch.__code__ = watch.__code__.replace(co_filename=os.__file__)

    def work(arguments: object) -> int:
        threading.setprofile(watch)
        sys.setprofile(watch)
        try:
            list(process_map(time.sleep, [0.01] * ITEMS, workers=WORKERS))
        finally:
            threading.setprofile(None)
            sys.setprofile(None)
        print(moment, "calls", next(count) - 1, flush=True)
        return 0

    app.run = work  # type: ignore[assignment]
    entry.main([])
    raise AssertionError("it has ended")


def ended(process: int) -> str:
    for _ in range(int(PATIENCE / 0.02)):
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return str(os.waitstatus_to_exitcode(status))
        time.sleep(0.02)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return "hangs"


if __name__ == "__main__":
    for number in map(int, sys.argv[1:]):
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            command(number)
        print(number, ended(child), flush=True)
