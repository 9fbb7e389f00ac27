"""Atomic files, which appear whole or not at all, and names that stay inside their folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from segpipe.base.errors import UsageError
from segpipe.base.remote_path import RemotePath, is_url

OUTPUT_MARKER = ".segpipe"
"""File by which a folder says that segpipe made it."""


def absolute(path: str | os.PathLike[str]) -> str:
    """A path or glob that keeps its meaning in another working directory: `..` goes by name, links and globs stay.

    A place on an object store stays as it is.
    """
    if is_url(str(path)):
        return str(RemotePath(path))
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111  a glob too


def check_utf8(path: Path) -> None:
    """See that a path can be written by all libraries: GDAL, safetensors and Arrow take UTF-8 alone.

    Raises:
        UsageError: it holds other bytes.
    """
    try:
        os.path.abspath(path).encode()  # noqa: PTH100
    except UnicodeEncodeError as error:
        raise UsageError(f"{path}: the path is not UTF-8; choose another place for what is written") from error


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the name `path` when the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name of 255 bytes has no room for more
    beside = path.with_name(f".{digest(path.name)}.{os.getpid()}.{_machine()}.tmp")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def folder_beside(path: Path) -> Path:
    """A name beside `path` for a folder that takes the name `path` once all is in it; `sweep` knows it.

    It differs from call to call: several threads may make the same folder, of which one gives the name.
    """
    return path.with_name(f".{digest(path.name)}.{os.getpid()}.{_machine()}.tmp-{uuid.uuid4().hex[:8]}")


_BESIDE = re.compile(r"\.[0-9a-f]{16}\.(\d+)(?:\.([0-9a-f]{8}))?\.tmp.*", re.DOTALL)
"""What `atomic` calls a file that is being written, with its process and machine (earlier versions named no machine).

Libraries add endings for files of theirs.
"""
_LONG = 86_400.0
"""Seconds after which what another machine was writing is taken for left behind."""


@cache
def _machine() -> str:
    """A short name of this machine: several may write to one file system, each with processes of its own."""
    return digest(socket.gethostname())[:8]


def is_beside(name: str) -> bool:
    """Whether a file is called as one that is being written by `atomic`.

    >>> is_beside(".0d88248fa170d41e.1234.tmp"), is_beside("notes.tmp")
    (True, False)
    """
    return _BESIDE.fullmatch(name) is not None


def sweep(folder: Path) -> None:
    """Delete what processes that were killed inside `atomic` left in a folder and below it, and of `folder_beside`.

    Files of processes that are alive stay, but for those of this one: call it before anything is written. Folders of
    this one stay too, which gives them their name under the lock of the run.
    """
    for place, folders, names in os.walk(folder):
        for name in [name for name in folders if is_beside(name)]:
            folders.remove(name)
            found = _BESIDE.fullmatch(name)
            if found and not _in_use(found, Path(place, name)):
                shutil.rmtree(Path(place, name), ignore_errors=True)
        for name in names:
            found = _BESIDE.fullmatch(name)
            if found and (_is_own(found) or not _in_use(found, Path(place, name))):
                Path(place, name).unlink(missing_ok=True)


def clear_beside(path: Path) -> None:
    """Delete what processes that were killed while they wrote `path` by `atomic` left beside it.

    For files that are named by a person: in the folders of a run `sweep` does it.
    """
    for left in path.parent.glob(f".{digest(path.name)}.*.tmp*"):
        found = _BESIDE.fullmatch(left.name)
        if found and not _in_use(found, left):
            left.unlink(missing_ok=True)


def _is_own(found: re.Match[str]) -> bool:
    return int(found[1]) == os.getpid() and found[2] in (None, _machine())


def _in_use(found: re.Match[str], path: Path) -> bool:
    """Whether the process that was writing a file may still be at it; those of other machines cannot be asked."""
    if found[2] in (None, _machine()):
        return alive(int(found[1]))
    try:
        return time.time() - path.stat().st_mtime < _LONG
    except FileNotFoundError:
        return False


def alive(process: int) -> bool:
    """Whether a process of this machine, of whatever user, runs."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically. Names with bytes that are not UTF-8 survive (surrogateescape)."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document atomically; NaN is refused, so every JSON reader can open it."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object per line, atomically; rows are written as they come, none is kept."""
    with atomic(path) as beside, beside.open("wb") as file:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
            file.write(line.encode("utf-8", "surrogateescape"))


def read_text(path: Path) -> str:
    """Read what `write_text` wrote."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, or its lists are nested deeper than Python can follow.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read the object of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds something else.
    """
    return _object(parse_json(read_text(path)))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read the object of every line of a JSON-lines file.

    Raises:
        OSError: it cannot be read.
        ValueError: a line holds something else; the message gives the line.
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line:
            try:
                rows.append(_object(parse_json(line)))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    return rows


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}, no object")
    return value


def sync(path: Path) -> None:
    """Make a file or directory survive a power cut, as far as the file system can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Of those files of a folder that exist, by name: 16 hexadecimal digits of the SHA-256 of their bytes."""
    return {name: sha256(root / name)[:16] for name in names if (root / name).exists()}


def stamps(paths: Iterable[str | os.PathLike[str]]) -> str:
    """A fingerprint of names, sizes and times of files, without opening them; empty where there are none.

    It is the `digest` of all rows, of which one is held.

    Raises:
        OSError: one is gone.
    """
    whole, before, encode = hashlib.sha256(b"["), "", json.JSONEncoder(separators=(",", ":")).encode
    for path in paths:
        if isinstance(path, RemotePath):
            name, stat = str(path), path.stat()
        else:
            name, stat = os.fspath(path), os.stat(path)  # noqa: PTH116  a million of them
        row = encode((name, stat.st_size, stat.st_mtime_ns))
        whole.update(f"{before}{row}".encode("utf-8", "surrogateescape"))
        before = ","
    whole.update(b"]")
    return whole.hexdigest()[:16] if before else ""


def inside(root: Path, name: str) -> Path:
    """The path of the POSIX-style relative `name` under `root`.

    Raises:
        UsageError: the name is absolute, climbs out of `root` or holds a NUL byte.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise UsageError(f"{name!r} does not name a file inside {root}; rename the file or its entry")
    return root.joinpath(*parts)


def digest(value: Any) -> str:
    """A short, stable fingerprint of any JSON value: 16 hex digits of SHA-256 over its sorted form.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
