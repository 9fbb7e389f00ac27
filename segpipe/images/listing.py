"""Find image files and videos in a folder, behind a glob, or in a list, and give each an id."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.object_store import Stored
from segpipe.base.outside import read_names
from segpipe.base.remote_path import ListedObject, RemotePath, is_url
from segpipe.images import heic
from segpipe.images.remote_listing import FoundObjects, is_object, one_object, walk_objects
from segpipe.images.tree_walk import ends, inside, refuse_ours, walk
from segpipe.images.video import ENDINGS as VIDEOS
from segpipe.images.video import is_video
from segpipe.records.corpus import Rejected

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".jfif")
_PICTURES = (
    *(*heic.ENDINGS, ".avif", ".gif", ".jp2", ".j2k", ".jxl", ".jpe", ".psd", ".exr", ".hdr", ".tga", ".svg"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".ecw", ".sid", ".img", ".vrt"),
)
_FILMS = (".flv", ".3gp", ".ogv", ".insv", ".lrv", ".vob", ".mxf", ".h264", ".h265", ".hevc")
"""Endings of pictures and films that are not read: people expect them to be."""
_LISTS = (".txt", ".lst")
_LARGEST = 1 << 28  # bytes of a list; a million paths have 100 million
_WILD = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class BandScene:
    """An image whose bands lie in several files."""

    name: str
    """What it would be called as one file, relative to the root; its id is made of it."""
    layers: tuple[str, ...]
    """As of `View`."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files that look like images, or videos, by their ending."""

    root: Path
    """Absolute."""
    paths: tuple[str, ...]
    """Relative to `root`, POSIX separators, sorted. Bytes that are not UTF-8 are kept as surrogates."""
    rejected: tuple[Rejected, ...]
    """Files and folders that were named or met but cannot be used."""
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """How many pictures and films of other kinds lie beside them, by their ending."""
    scenes: Mapping[str, BandScene] = field(default_factory=dict)
    """Of files of `paths` that are not all of their image: what is."""
    objects: Mapping[str, Stored] = field(default_factory=dict)
    """Of a folder on an object store: what it says of each file of `paths`, and of others there."""

    def file(self, path: str) -> Path:
        """A file of `paths`; of an object its size and ETag are known."""
        if isinstance(self.root, RemotePath):
            found = self.objects[path]
            return ListedObject.of(self.root / path, found.size, found.etag)
        return self.root / path

    def size(self, path: str) -> int | None:
        """Bytes of a file on an object store, as it was listed; None for files of this machine."""
        return self.objects[path].size if path in self.objects else None

    @property
    def names(self) -> list[str]:
        """What ids are made of: a path each, of scenes one that names no band."""
        return [self.scenes[path].name if path in self.scenes else path for path in self.paths]

    def told_of_others(self) -> str:
        """What to say of those; empty where there are none."""
        if not self.passed_over:
            return ""
        phones = f"{heic.WAY_OUT}; " if {*heic.ENDINGS} & {*self.passed_over} else ""
        counts = ", ".join(f"{count} {ending}" for ending, count in sorted(self.passed_over.items()))
        return (
            f"{counts} passed over: such files are not read; {phones}convert pictures to JPEG, PNG or TIFF "
            "(`magick IN OUT.jpg`), films to MP4 (`ffmpeg -i IN OUT.mp4`)"
        )


def list_images(images: str, *, skip: Path | None = None, videos: bool = False, more: tuple[str, ...] = ()) -> Listing:
    """Find the images that the setting `index.images` means.

    A folder is searched with all its sub-folders, without hidden files and folders and without runs and
    other folders that segpipe made.
    Links are followed where they stay inside the folder, each file is listed once. In a glob `**` stands for any
    number of folders; its root is the folder before the first wildcard. A text file (.txt, .lst) names one file per
    line, absolute or relative to itself; its root is the deepest folder that holds all of them.

    Args:
        images: folder, file, glob or list.
        skip: a run directory; nothing inside it is listed.
        videos: whether videos are meant too.
        more: endings that are meant too.

    Raises:
        UsageError: there is no such file or folder, or it is of no known kind.
        CorpusError: it holds no image.
    """
    if not images:
        raise UsageError(f"{named('index.images')} is not set; name a folder of images: `segpipe index IMAGES RUN`")
    endings = readable() + more + (VIDEOS if videos else ())
    if is_url(images):
        return _checked(_list_objects(RemotePath(images), endings, videos=videos, more=more), images, endings)
    path = Path(os.path.abspath(Path(images).expanduser()))  # noqa: PTH100  links in the name are kept
    run = os.path.realpath(skip) if skip is not None else None
    if inside(os.path.realpath(path), run):
        run = None  # images that lie in the run itself were meant
    if path.is_dir():
        refuse_ours(path)
        names, rejected = walk(path, ("**", "*"), run, endings)
        listing = _listing(path, (name for name in names if ends(name, endings)), rejected)
        listing = replace(listing, passed_over=_count_others(names, videos=videos, more=more))
    elif path.is_file() and ends(path.name, endings):
        listing = Listing(path.parent, (path.name,), ())
    elif path.is_file() and path.suffix.lower() in _LISTS:
        listing = _read_list(path, run, endings)
    elif path.exists():
        raise UsageError(
            f"{path} is no folder, no image ({' '.join(endings)}) and no list of paths ({' '.join(_LISTS)}); "
            "name one of these or a glob"
        )
    else:
        listing = _glob(path, run, endings)
    return _checked(listing, images, endings)


def _checked(listing: Listing, images: str, endings: tuple[str, ...]) -> Listing:
    """A listing that holds an image.

    Raises:
        CorpusError: it holds none.
    """
    if not listing.paths:
        reasons = "".join(f"; {r.path}: {r.reason}" for r in listing.rejected[:3])
        others = listing.told_of_others()
        reasons += f"; {others}" if others else ""
        raise CorpusError(f"{images} holds no images ({' '.join(endings)}); name another folder{reasons}")
    return listing


def _list_objects(path: RemotePath, endings: tuple[str, ...], *, videos: bool, more: tuple[str, ...]) -> Listing:
    """As `list_images`, of a folder, object or glob on an object store."""
    if path.suffix.lower() in _LISTS:
        raise UsageError(f"{path}: a list of paths is read from this machine alone; name a folder, an object or a glob")
    parts = path.parts
    first = next((i for i, part in enumerate(parts) if _WILD.search(part)), len(parts))
    if first < len(parts):
        found = walk_objects(RemotePath(*parts[:first]), parts[first:], endings)
        return _of_objects(RemotePath(*parts[:first]), found, endings)
    if ends(path.name, endings) and is_object(path):
        return _of_objects(RemotePath(*parts[:-1]), one_object(path), endings)
    found = walk_objects(path, ("**", "*"), endings)
    if not found.objects and not found.rejected:
        raise UsageError(f"{path}: there is no such object or folder; correct {named('index.images')}")
    kept = replace(found, names=tuple(name for name in found.names if ends(name, endings)))
    others = _count_others(found.names, videos=videos, more=more)
    return replace(_of_objects(path, kept, endings), passed_over=others)


def _of_objects(root: RemotePath, found: FoundObjects, endings: tuple[str, ...]) -> Listing:
    return replace(_split(root, found.names, found.rejected, endings), objects=found.objects)


def readable() -> tuple[str, ...]:
    """The endings of pictures that are read here."""
    return ENDINGS + (heic.ENDINGS if heic.installed() else ())


def _count_others(names: Iterable[str], *, videos: bool, more: tuple[str, ...]) -> dict[str, int]:
    read = readable() + more
    others = tuple(ending for ending in _PICTURES + (_FILMS if videos else ()) if ending not in read)
    return dict(Counter(os.path.splitext(name)[1].lower() for name in names if ends(name, others)))  # noqa: PTH122


def make_ids(paths: Sequence[str]) -> list[str]:
    """Name images: the path without its ending, or with it where two would be called the same.

    Ids are unique even where capitals and accents written in two ways (NFC, NFD) do not count, and a mask named
    `<id>.png` never takes the name of a sub-folder. The id of a video is its whole path: a folder for its frames, which
    nothing else lies in.

    Args:
        paths: relative POSIX paths, all different.

    Returns:
        One id per path, in the same order.

    >>> make_ids(["a/b.jpg", "a/B.png", "c.tif", "dive.mp4"])
    ['a/b.jpg', 'a/B.png', 'c', 'dive.mp4']
    """
    folders = {"/".join(parts[:n]) for parts in (path.split("/") for path in paths) for n in range(1, len(parts))}
    used = {_same(folder) for folder in folders}
    ids = dict[str, str]()
    for path in paths:
        if is_video(Path(path)):
            ids[path] = _first_free(path, used)
            used.add(_same(ids[path]))
    images = [path for path in paths if path not in ids]
    ids |= zip(images, short_names(images, folders), strict=True)
    return [ids[path] for path in paths]


def short_names(paths: Sequence[str], folders: Collection[str] = ()) -> list[str]:
    """Names without their endings, or with them where two would be the same; unique as ids are (see `make_ids`).

    Args:
        paths: relative POSIX paths, all different.
        folders: paths that no name with `.png` may be equal to.
    """
    stems = [os.path.splitext(path)[0] for path in paths]  # noqa: PTH122
    taken = {_same(folder[:-4]) for folder in folders if folder.lower().endswith(".png")}
    ids = stems
    while True:
        counts = Counter(map(_same, ids))
        keeps = [
            path if counts[_same(id_)] > 1 or _same(id_) in taken else id_ for id_, path in zip(ids, paths, strict=True)
        ]
        if keeps == ids:
            break
        ids = keeps  # an ending kept can meet another id (a.jpg beside a.jpg.png), so look again
    unique: list[str] = []
    used = set(taken)
    for id_ in ids:  # what still meets differs in capitals alone
        name = _first_free(id_, used, counts)
        used.add(_same(name))
        unique.append(name)
    return unique


def _first_free(name: str, used: Collection[str], wanted: Collection[str] = ()) -> str:
    """The name, or with a number the first that is not used, nor wanted by another."""
    found, number = name, 1
    while _same(found) in used or (number > 1 and _same(found) in wanted):
        number += 1
        found = f"{name}~{number}"
    return found


def _same(name: str) -> str:
    """Equal for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _listing(root: Path, names: Iterable[str], rejected: Iterable[Rejected]) -> Listing:
    return Listing(root, tuple(sorted(set(names))), tuple(sorted(rejected, key=lambda r: r.path)))


def _split(root: Path, names: Sequence[str], rejected: Sequence[Rejected], endings: tuple[str, ...]) -> Listing:
    """A listing of names that were asked for one by one: those with other endings are skipped, not passed over."""
    reason = "the ending is none of " + " ".join(endings)
    others = [Rejected(name, reason) for name in names if not ends(name, endings)]
    return _listing(root, (name for name in names if ends(name, endings)), [*rejected, *others])


def _glob(pattern: Path, skip: str | None, endings: tuple[str, ...]) -> Listing:
    parts = pattern.parts
    wild = (i for i, part in enumerate(parts) if _WILD.search(part) and not os.path.lexists(Path(*parts[: i + 1])))
    first = next(wild, len(parts))  # a folder whose own name holds brackets is meant as it is
    root = Path(*parts[:first])
    if first == len(parts):
        raise UsageError(
            f"{pattern}: there is no such file or folder; name a folder of images, a file, a glob or a list"
        )
    if not root.is_dir():
        raise UsageError(f"{pattern}: there is no folder {root} to search; correct {named('index.images')}")
    names, rejected = walk(root, parts[first:], skip, endings)
    if not names and not rejected:
        brackets = "; [...] stands for one of the letters in it, [[] for a bracket" if "[" in str(pattern) else ""
        raise UsageError(
            f"{pattern} matches no file in {root}; correct {named('index.images')} (hidden files are not "
            f"searched{brackets})"
        )
    refuse_ours(root)
    return _split(root, names, rejected, endings)


def _read_list(path: Path, skip: str | None, endings: tuple[str, ...]) -> Listing:
    files: list[str] = []
    rejected: list[tuple[str, str]] = []
    for line in read_names(path, most=_LARGEST, what="list of images", way_out="give a folder, or several lists"):
        options = [os.path.normpath(path.parent / name) for name in (line, line.strip())]
        file = next((option for option in options if os.path.lexists(option)), options[-1])
        if os.path.isdir(file):  # noqa: PTH112  names with any bytes, as text
            rejected.append((file, "a folder; a list names files"))
        elif not os.path.isfile(file):  # noqa: PTH113
            rejected.append((file, "there is no such file"))
        elif inside(os.path.realpath(file), skip):
            rejected.append((file, "lies inside the run directory"))
        else:
            files.append(file)
    root = Path(os.path.commonpath([os.path.dirname(file) for file in files]) if files else path.parent)  # noqa: PTH120
    put_aside = [Rejected(file.removeprefix(f"{root}/"), reason) for file, reason in rejected]
    return _split(root, [os.path.relpath(file, root) for file in files], put_aside, endings)
