"""Known files: photographs whose bytes an earlier index has decoded already, found again under any name.

What `index` says of a photograph of 8 bits follows from its bytes and the settings alone. Of a raster it also depends
on files beside it and on the other images of the corpus, of a video on other files that are read: those are looked at
again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from segpipe.base import files
from segpipe.images.remote_files import local
from segpipe.images.validate import Item
from segpipe.records.corpus import Corpus, Image, Rejected
from segpipe.records.view import PLAIN

_RASTERS = (".tif", ".tiff")
Check = Callable[[Item | Rejected], Image | Rejected]


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """The images of an earlier corpus by size and fingerprint of their files."""

    images: Mapping[tuple[int, str], Image]
    sizes: frozenset[int]
    """Of the files, bytes."""

    def find(self, item: Item, root: Path) -> Image | None:
        """The image that a file is, under its name now; None where nobody has decoded it yet.

        Args:
            item: a file.
            root: folder of the files.
        """
        path = root / item.name
        if item.taken is not None or _ending(item.name) in _RASTERS:
            return None
        if item.size is not None and item.size not in self.sizes:
            return None
        try:
            with local(path, size=item.size) as file:
                size = file.stat().st_size
                found = self.images.get((size, files.sha256(file))) if size in self.sizes else None
        except OSError:  # `check` says what is wrong with it
            return None
        if found is None or _ending(found.path) != _ending(item.name):
            return None
        return replace(found, id=item.id, path=item.name)

    def check(self, item: Item | Rejected, *, root: Path, look: Check) -> Image | Rejected:
        """The image that a file is; `look` decodes those that are not known."""
        found = self.find(item, root) if isinstance(item, Item) else None
        return found or look(item)


def known_files(corpus: Corpus | None) -> KnownFiles:
    """The files of an earlier corpus of the same settings; none where there is no such corpus."""
    images = {(each.bytes, each.sha256): each for each in (corpus.images if corpus else ()) if _plain(each)}
    return KnownFiles(images, frozenset(size for size, _ in images))


def count_known(known: KnownFiles, images: Sequence[Image]) -> int:
    """How many images have the file of an earlier one."""
    return sum((each.bytes, each.sha256) in known.images and each.moment is None for each in images)


def _plain(image: Image) -> bool:
    """Whether what is said of an image follows from its bytes."""
    by_bytes = image.geo is None and image.moment is None and not image.mosaic and image.view == PLAIN
    return by_bytes and image.depth == "uint8" and _ending(image.path) not in _RASTERS


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
