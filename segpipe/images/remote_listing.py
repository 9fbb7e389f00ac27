"""Search a folder on an object store for files, with the filters of `tree_walk`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from segpipe.base import object_store
from segpipe.base.errors import UsageError
from segpipe.base.files import OUTPUT_MARKER
from segpipe.base.object_store import Stored
from segpipe.base.remote_path import RemotePath
from segpipe.images.remote_files import forget_others
from segpipe.images.tree_walk import ends, match
from segpipe.records.corpus import Rejected

_ODD = "an object whose name is no path (an empty folder name, . or ..); give it another name to use it"


@dataclass(frozen=True, slots=True)
class FoundObjects:
    """What lies below a folder."""

    names: tuple[str, ...]
    """From the folder."""
    rejected: tuple[Rejected, ...]
    objects: Mapping[str, Stored]
    """Of all names."""


def is_object(path: RemotePath) -> bool:
    """Whether a place is one object, and no folder of objects."""
    try:
        return bool(path.key) and object_store.head(path).size >= 0
    except FileNotFoundError:
        return False


def one_object(path: RemotePath) -> FoundObjects:
    """An object, found in its folder."""
    return _found(path.parent, {path.name: object_store.head(path)}, ())


def walk_objects(root: RemotePath, pattern: Sequence[str], endings: tuple[str, ...]) -> FoundObjects:
    """The objects below `root` whose names match the parts of a glob, without hidden ones and outputs of segpipe.

    Copies of earlier bytes of them are deleted from this machine.

    Raises:
        UsageError: the folder is itself a run or another output.
        SegpipeError: it cannot be listed; in a line.
    """
    every = {each.name: each for each in object_store.walk(root)}
    ours = {str(PurePosixPath(name).parent) for name in every if PurePosixPath(name).name == OUTPUT_MARKER}
    if "." in ours:
        raise UsageError(
            f"{root} is a run or another output of segpipe, whose maps are no photographs; name the folder of your "
            "images as IMAGES and another one to write to"
        )
    kept, odd = dict[str, Stored](), list[Rejected]()
    for name, each in every.items():
        parts = name.split("/")
        if name.endswith("/") or any(part.startswith(".") and part not in (".", "..") for part in parts):
            continue  # what stands for a folder, and what is hidden
        if any(part in ("", ".", "..") for part in parts):
            odd += [Rejected(name, _ODD)] if ends(name, endings) else []
        elif match(pattern, parts) and not any("/".join(parts[:n]) in ours for n in range(1, len(parts))):
            kept[name] = each
    return _found(root, kept, odd)


def _found(root: RemotePath, objects: Mapping[str, Stored], rejected: Sequence[Rejected]) -> FoundObjects:
    forget_others(root, {name: each.etag for name, each in objects.items()})
    return FoundObjects(tuple(objects), tuple(rejected), objects)
