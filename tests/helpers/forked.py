"""Processes of segpipe that need not load its libraries again: forked from one that has them and does nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LIBRARIES = ["segpipe.cli.app", "segpipe.pipeline", "torch", "timm", "faiss", "numba", "sklearn.cluster", "matplotlib"]


def run_forked(target: Callable[..., Any], *args: Any, log: Path, timeout: float = 300) -> int:
    """The exit code of a function that is called in a process of its own; -9 where that was killed by SIGKILL.

    Args:
        target: a function of a module, not of a class or a test.
        args: its arguments, pickled.
        log: the file that what it prints is written to.
        timeout: seconds after which the test fails.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)
    process = context.Process(target=_logged, args=(target, args, log))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"{target.__name__}{args} took more than {timeout:g} s")
    code = process.exitcode
    process.close()
    assert code is not None
    return code


def _logged(target: Callable[..., Any], args: tuple[Any, ...], log: Path) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    target(*args)
