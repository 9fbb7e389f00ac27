"""Object stores: objects are read, written, listed and deleted, faults are retried, errors are one line each.

Credentials come from the environment alone, as the store's own tools read them (AWS_ACCESS_KEY_ID,
GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME and their like); no message repeats them.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from segpipe.base.errors import CorpusError, MachineError, SegpipeError, UsageError
from segpipe.base.remote_path import RemotePath

_RETRIES = 6  # of a request, by the store's client
_TRIES = 4  # of a body, each of which the store's client has tried to get several times
_PAUSE = 0.25  # seconds, doubled from try to try
_CHUNK = 1 << 20
_ROWS = 1000  # asked for at once
_WAYS = {
    "s3:": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION; AWS_ENDPOINT_URL for other stores than Amazon's",
    "gs:": "GOOGLE_APPLICATION_CREDENTIALS",
    "az:": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or their like",
}
_STATUS = re.compile(r"\b([45]\d\d) ([A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*)")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket (?:does not|doesn't) exist", re.I)
# where no credentials are given, machines of a cloud are asked for theirs
_NO_CREDENTIALS = re.compile(
    r"169\.254\.169\.254|/latest/api/token|metadata\.google|/metadata/identity|credential", re.I
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store says of an object."""

    name: str
    """Below the place that was listed; of a single object its key."""
    size: int
    """Bytes."""
    etag: str
    """Another one where the bytes are others."""
    modified: float
    """When it was written, seconds by the store's clock."""


class Outrun(Exception):
    """An object was not written: it is there, or is another one than was expected."""


def read(path: RemotePath) -> tuple[bytes, Stored]:
    """All bytes of a small object.

    Raises:
        FileNotFoundError: there is none.
        SegpipeError: it cannot be read; in a line.
    """
    content = bytearray()

    def begin(found: Stored) -> None:
        content.clear()

    found = _body(path, begin, content.extend)
    return bytes(content), found


def fetch(path: RemotePath, file: IO[bytes], *, begin: Callable[[Stored], None] = lambda found: None) -> Stored:
    """Write the bytes of an object into a file; `begin` is told what it is before any byte comes.

    Raises:
        FileNotFoundError, SegpipeError: as `read`.
    """

    def start(found: Stored) -> None:
        begin(found)
        file.seek(0)

    return _body(path, start, file.write)


def _body(path: RemotePath, begin: Callable[[Stored], None], write: Callable[[bytes], Any]) -> Stored:
    """Get an object, from its beginning again where its body breaks off."""
    obstore, last = _library(), ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE * 2**attempt)
        with _explained(path, "read"):
            answer = obstore.get(_open(path), path.key)
            found, count = _stored(answer.meta, path.key), 0
            begin(found)
            try:
                for chunk in answer.stream(min_chunk_size=_CHUNK):
                    content = bytes(chunk)
                    count += len(content)
                    write(content)
            except (obstore.exceptions.BaseError, *_broken()) as error:
                last = _status(error) or "the connection broke off"
                continue
        if count == found.size:
            return found
        last = f"{count} of {found.size} bytes came"
    raise MachineError(f"{path}: cannot be read ({last}, {_TRIES} times); try again, or see what the store says of it")


def check_size(path: RemotePath, found: int, listed: int) -> None:
    """See that an object is as long as it was listed.

    Raises:
        CorpusError: it is not.
    """
    if found != listed:
        raise CorpusError(
            f"{path}: {found} bytes came of an object that is listed with {listed}: it is cut short or was replaced; "
            "upload it again, or take it out of the folder, then run the same command"
        )


def put(path: RemotePath, content: bytes | Path, *, new: bool = False, instead_of: str | None = None) -> str:
    """Write an object, which appears whole.

    Args:
        path: its place.
        content: its bytes, or a file that holds them.
        new: only where there is none.
        instead_of: only in the place of the object with this ETag.

    Returns:
        Its ETag.

    Raises:
        Outrun: there is one, or another one than was expected.
        SegpipeError: it cannot be written; in a line.
    """
    obstore, options = _library(), dict[str, Any]()
    if new:
        options = {"mode": "create"}
    elif instead_of is not None:
        options = {"mode": {"e_tag": instead_of}}
    if options and isinstance(content, Path):
        content = content.read_bytes()
    errors = obstore.exceptions
    with _explained(path, "written"):
        try:
            return str(obstore.put(_open(path), path.key, content, **options)["e_tag"] or "")
        except (errors.AlreadyExistsError, errors.PreconditionError) as error:
            raise Outrun(str(path)) from error


def head(path: RemotePath) -> Stored:
    """What a store says of an object.

    Raises:
        FileNotFoundError, SegpipeError: as `read`.
    """
    obstore = _library()
    with _explained(path, "read"):
        return _stored(obstore.head(_open(path), path.key), path.key)


def walk(place: RemotePath) -> Iterator[Stored]:
    """All objects below a place, which ends at a slash; in the order of their keys.

    Raises:
        SegpipeError: it cannot be listed; in a line.
    """
    obstore, key = _library(), place.key
    with _explained(place, "listed"):
        for rows in obstore.list(_open(place), prefix=f"{key}/" if key else None, chunk_size=_ROWS):
            for row in rows:
                yield _stored(row, row["path"][len(key) + 1 if key else 0 :])


def names(place: RemotePath) -> list[str]:
    """Names of the objects right below a place, and of the folders of objects there.

    Raises:
        SegpipeError: they cannot be listed; in a line.
    """
    obstore, key = _library(), place.key
    with _explained(place, "listed"):
        found = obstore.list_with_delimiter(_open(place), prefix=f"{key}/" if key else None)
    paths = [*found["common_prefixes"], *(row["path"] for row in found["objects"])]
    return sorted(path[len(key) + 1 if key else 0 :] for path in paths)


def delete(place: RemotePath, gone: Sequence[str]) -> None:
    """Delete objects below a place; one that is gone is no error.

    Raises:
        SegpipeError: they cannot be deleted; in a line.
    """
    keys = [(place / name).key for name in gone]
    with _explained(place, "deleted"):
        for start in range(0, len(keys), _ROWS):
            try:
                _library().delete(_open(place), keys[start : start + _ROWS])
            except FileNotFoundError:
                continue


def _stored(meta: Any, name: str) -> Stored:
    return Stored(name, int(meta["size"]), str(meta["e_tag"] or ""), meta["last_modified"].timestamp())


def _broken() -> tuple[type[Exception], ...]:
    return (OSError, RuntimeError)


def _library() -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError as error:
        raise UsageError("object stores need the extra `cloud`: `pip install 'segpipe[cloud]'`") from error
    return obstore


def _open(path: RemotePath) -> Any:
    if path.bucket.endswith("//"):
        raise UsageError(f"{path} names no bucket; write it as {path.parts[0]}//BUCKET/FOLDER")
    return _client(path.bucket, os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or "", _RETRIES)


@lru_cache(maxsize=16)
def _client(bucket: str, endpoint: str, retries: int) -> Any:
    from datetime import timedelta

    options: dict[str, Any] = {"connect_timeout": "10s", "read_timeout": "30s", "timeout": "3600s"}
    if endpoint.startswith("http://") and bucket.startswith("s3:"):
        options["allow_http"] = True
    retry = {
        "max_retries": retries,
        "retry_timeout": timedelta(seconds=90),
        "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
    }
    return _library().store.from_url(bucket, client_options=options, retry_config=retry)


@contextmanager
def _explained(path: RemotePath, what: str) -> Iterator[None]:
    """Say in one line what a store refuses; what it answered is not repeated, for it may hold signed addresses.

    Raises:
        FileNotFoundError: there is no such object.
        SegpipeError: all else.
    """
    obstore = _library()
    try:
        yield
    except SegpipeError:
        raise
    except (obstore.exceptions.NotFoundError, FileNotFoundError) as error:
        if _NO_BUCKET.search(str(error)):
            raise UsageError(f"{path}: there is no bucket {path.bucket}; correct its name, or the region") from None
        raise FileNotFoundError(str(path)) from None
    except (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError):
        raise MachineError(
            f"{path}: it may not be {what} with these credentials; give others by the environment "
            f"({_WAYS[path.parts[0]]}), or ask for the permission"
        ) from None
    except obstore.exceptions.BaseError as error:
        raise _unanswered(path, what, error) from None


def _unanswered(path: RemotePath, what: str, error: Exception) -> SegpipeError:
    text = str(error)
    if _NO_BUCKET.search(text):
        return UsageError(f"{path}: there is no bucket {path.bucket}; correct its name, or the region")
    if _NO_CREDENTIALS.search(text):
        return MachineError(f"{path}: there are no credentials; give them by the environment ({_WAYS[path.parts[0]]})")
    said = _status(error) or "no answer"
    return MachineError(f"{path}: cannot be {what} ({said}); see whether the store can be reached, then try again")


def _status(error: Exception) -> str:
    found = _STATUS.search(str(error))
    return found[0] if found else ""
