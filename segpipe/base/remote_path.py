"""Places on object stores, such as s3://bucket/photos: paths to name objects by, which nothing can open by mistake."""

from __future__ import annotations

import os
import re
from pathlib import Path, PosixPath
from typing import Any, NoReturn

from segpipe.base.errors import UsageError

SCHEMES = ("s3", "gs", "az")
"""Amazon S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage."""
_URL = re.compile(rf"({'|'.join(SCHEMES)}):/{{1,2}}(?!/)")


def is_url(text: str) -> bool:
    """Whether a text names a place on an object store; a path made of one has lost a slash.

    >>> is_url("s3://bucket/photos"), is_url("s3:/bucket/photos"), is_url("photos/s3")
    (True, True, False)
    """
    return _URL.match(text) is not None


def place(text: str | Path) -> Path:
    """A path, on an object store where the text says so."""
    if isinstance(text, RemotePath):
        return text
    return RemotePath(text) if is_url(str(text)) else Path(text)


class RemotePath(PosixPath):
    """A place on an object store. It can be joined, compared and printed like a path; only a fetched copy is opened.

    >>> str(RemotePath("s3://bucket/photos") / "a.jpg")
    's3://bucket/photos/a.jpg'
    """

    def __str__(self) -> str:
        scheme, *rest = self.parts
        return f"{scheme}//{'/'.join(rest)}"

    def __fspath__(self) -> NoReturn:
        raise UsageError(f"{self} lies on an object store, of which nothing is read here; copy it to a folder first")

    @property
    def bucket(self) -> str:
        """Scheme and bucket: s3://bucket; the bucket is empty where none is named."""
        return f"{self.parts[0]}//{self.parts[1] if len(self.parts) > 1 else ''}"

    @property
    def key(self) -> str:
        """Name of the object, or of a folder of objects, in its bucket; empty for all of it."""
        return "/".join(self.parts[2:])

    def absolute(self) -> RemotePath:
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:
        """Itself: a store has no links."""
        return self

    def expanduser(self) -> RemotePath:
        """Itself."""
        return self


class ListedObject(RemotePath):
    """An object as its store listed it: `stat` gives its size, and a time that is another one where its bytes are."""

    _listed: tuple[int, str]

    @classmethod
    def of(cls, path: RemotePath, size: int, etag: str) -> ListedObject:
        """An object of so many bytes, whose bytes the store knows as `etag`."""
        made = cls(*path.parts)
        made._listed = size, etag
        return made

    def exists(self, **options: Any) -> bool:
        """It was listed."""
        return True

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Size, and in place of the time a number made of the ETag."""
        size, etag = self._listed
        stamp = int.from_bytes(etag.encode()[:64], "big") % (1 << 40)
        fine: Any = {"st_mtime_ns": stamp}
        return os.stat_result((0o100444, 0, 0, 1, 0, 0, size, stamp, stamp, stamp), fine)
