"""What a decoder may do to its process, for calls in guarded ones."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from pathlib import Path

from segpipe.base.guarded import allow, memory_limit
from segpipe.images.headers import BadImage


def echo(value: object) -> tuple[int, object]:
    return os.getpid(), value


def crash() -> None:
    ctypes.string_at(0)


def crash_at(*arguments: object) -> object:
    crash()
    return arguments


def starve(size: int) -> int:
    return len(bytearray(size))


def limit() -> int | None:
    return memory_limit()


def work_for_ever() -> None:
    allow(1)
    while True:
        pass


def sleep_for_ever() -> None:
    allow(0.05)
    time.sleep(600)


def be_ended() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def print_much() -> str:
    os.write(1, b"noise\n" * 1000)
    return "done"


def refuse(path: Path) -> None:
    logging.getLogger("segpipe.misbehaving").warning("%s looks odd", path)
    raise BadImage(path, "is odd")
