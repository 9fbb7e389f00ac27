"""Messages between processes of ours, through pipes."""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any


def send(file: IO[bytes], message: Any) -> None:
    """Write a message that can be pickled.

    Arrays go as they lie in memory, beside the pickle: of a picture that is half of the work of passing it on.
    """
    buffers: list[pickle.PickleBuffer] = []
    content = pickle.dumps(message, 5, buffer_callback=buffers.append)
    parts = [memoryview(content), *(buffer.raw() for buffer in buffers)]
    file.write(struct.pack(f"<I{len(parts)}Q", len(parts), *(part.nbytes for part in parts)))
    for part in parts:
        file.write(part)
    file.flush()


def receive(file: IO[bytes]) -> list[bytearray]:
    """The parts of the next message, for `load`.

    Raises:
        EOFError: there is none, or it is cut short.
    """
    (count,) = struct.unpack("<I", _exactly(file, 4))
    return [_exactly(file, length) for length in struct.unpack(f"<{count}Q", _exactly(file, 8 * count))]


def _exactly(file: Any, count: int) -> bytearray:
    content = bytearray(count)
    rest = memoryview(content)
    while rest:
        got = file.readinto(rest)
        if not got:
            raise EOFError
        rest = rest[got:]
    return content


def load(parts: list[bytearray]) -> Any:
    """The message whose parts these are; its arrays lie in them, and can be written to."""
    return pickle.loads(parts[0], buffers=parts[1:])
