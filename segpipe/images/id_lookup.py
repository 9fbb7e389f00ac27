"""Which image of the corpus a name in somebody's label files means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from segpipe.base.errors import UsageError
from segpipe.base.printable import readable
from segpipe.base.shown import quoted
from segpipe.records.corpus import Image

_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".jp2", ".gif")


class ImageNames:
    """Finds images by id, path or bare name, with or without ending.

    An exact id or relative path comes first; else the images whose relative path ends in the name, folder by folder.
    Names are compared in Unicode's composed form (macOS stores decomposed ones), unless one is spelled exactly so; a
    backslash separates folders too.
    What a table cannot hold is met half way: spaces around a name, and bytes that are not UTF-8, which our own tables
    write as question marks. Last of all names are compared without regard to case, and of a path of another machine
    (absolute, or an address) its end counts, the longest that any image has.
    """

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images
        self._exact: list[dict[str, list[int]]] = [{}, {}, {}]
        self._spelled: dict[str, list[int]] = {}
        self._tails: dict[str, list[int]] = {}
        self._loose: dict[str, list[int]] = {}
        self._folded: dict[str, list[int]] = {}
        for i, image in enumerate(images):
            for name in {image.id, image.path, _without_ending(image.path)}:
                self._spelled.setdefault(name, []).append(i)
            names = [_plain(image.id), _plain(image.path), _without_ending(_plain(image.path))]
            for table, name in zip(self._exact, names, strict=True):
                table.setdefault(name, []).append(i)
            for name in {_loose(name) for name in names} - {*names}:
                self._loose.setdefault(name, []).append(i)
            tails = {tail for name in names for tail in _tails(name)}
            for tail in tails:
                self._tails.setdefault(tail, []).append(i)
            for name in {name.casefold() for name in (*names, *tails)}:
                self._folded.setdefault(name, []).append(i)

    def find(self, name: str) -> list[int]:
        """Indices of the images that `name` may mean: none, one, or several where it is ambiguous."""
        if len(self._spelled.get(name, ())) == 1:
            return self._spelled[name]
        plain = _plain(name)
        return self._found(plain) or next(
            (found for tail in (_tails(plain) if is_elsewhere(name) else ()) if (found := self._found(tail))), []
        )

    def of_row(self, name: str, where: str, *, among: Collection[int] | None = None) -> int | None:
        """The index of the image that a row of a table names; None: it names none.

        Args:
            name: as it stands there.
            where: the row, for the message.
            among: indices of the images that it may mean; None: all.

        Raises:
            UsageError: it may mean several.
        """
        fits = [i for i in self.find(name) if among is None or i in among]
        if len(fits) > 1:
            some = " and ".join(self._images[i].path for i in fits[:2])
            raise UsageError(
                f"{where}: {quoted(name)} fits {len(fits)} images, such as {some}; write the relative path with its "
                "ending"
            )
        return fits[0] if fits else None

    def _found(self, plain: str) -> list[int]:
        for wanted in dict.fromkeys((plain, _without_ending(plain))):
            for table in (*self._exact, self._tails, self._loose):
                if wanted in table:
                    return table[wanted]
        for wanted in dict.fromkeys((plain.casefold(), _without_ending(plain).casefold())):
            if wanted in self._folded:
                return self._folded[wanted]
        return []


def is_elsewhere(name: str) -> bool:
    r"""Whether a name is a whole path or an address, of this machine or of another.

    >>> [is_elsewhere(name) for name in ("C:\\dives\\a.jpg", "/home/x/a.jpg", "s3://reef/a.jpg", "dives/a.jpg")]
    [True, True, True, False]
    """
    return re.match(r"/|\\|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]+://", name) is not None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./")


def _loose(name: str) -> str:
    return readable(name).strip()


def _without_ending(name: str) -> str:
    """Drop a known image ending only: the dot of `site.12` belongs to the name."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in _ENDINGS else name


def _tails(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(1, len(parts))]
