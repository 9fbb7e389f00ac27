"""TensorBoard events, written by the thread that asks: an error of the disk is raised where it happens.

TensorBoard's own writer hands events to a thread, which prints a traceback where the disk fails.
"""

from __future__ import annotations

import io
import os
import socket
import time
from pathlib import Path
from typing import Any


class Events:
    """Scalars into one new file of events."""

    def __init__(self, folder: Path, *, done: int) -> None:
        """Begin a file in a folder.

        Args:
            folder: created where it is not there.
            done: steps that count as done; what earlier files say of later ones is not shown. 0: nothing is taken back.

        Raises:
            ImportError: tensorboard is not installed.
        """
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{time.time_ns()}"
        self._path, self._pending = folder / name, io.BytesIO()
        self._records, self._event = RecordWriter(self._pending), Event
        self._write(file_version="brain.Event:2")
        if done:
            self._write(step=done, session_log=SessionLog(status=SessionLog.START))

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())

    def add(self, tag: str, value: float, step: int) -> None:
        """A number of a step; in memory until `flush`."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))

    def flush(self) -> None:
        """Append to the file what is in memory.

        Raises:
            OSError: it cannot be written.
        """
        with self._path.open("ab") as file:
            file.write(self._pending.getvalue())
        self._pending.seek(0)
        self._pending.truncate()
