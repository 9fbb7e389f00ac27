"""Listed files as the work of several processes: a listing becomes lines on disk, and some lines a listing again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from segpipe.base.errors import MachineError
from segpipe.base.object_store import Stored
from segpipe.base.remote_path import RemotePath
from segpipe.base.shortage import raise_shortage
from segpipe.images.listing import BandScene, Listing, make_ids
from segpipe.store.listed_files import (
    FileList,
    Found,
    ListedFile,
    is_gone,
    load_files,
    pieces_of,
    save_listing,
    unchecked,
)
from segpipe.store.unit_spans import runs_of


def list_out(out: Path, listing: Listing, *, told: Sequence[str] = (), stamps: str = "") -> None:
    """Write the files of a listing, each with its id among all of them; see `FileList` for the rest."""
    layers = {path: scene.layers for path, scene in listing.scenes.items()}
    names = zip(listing.paths, make_ids(listing.names), strict=True)
    stored = {path: (found.size, found.etag) for path, found in listing.objects.items()}
    entries = [ListedFile(path, id_, layers.get(path, ()), stored.get(path)) for path, id_ in names]
    save_listing(out, FileList(listing.root, len(entries), listing.rejected, tuple(told), stamps), entries)


def some_listed(out: Path, root: Path, units: range) -> tuple[Listing, list[str]]:
    """Some of the files that `list_out` wrote as a listing of their own, and their ids among all.

    Raises:
        MachineError: the list is damaged; or this machine does not see the folder of the files, or it is empty there:
            else all of them would be taken for deleted.
    """
    if not isinstance(root, RemotePath) and not _holds_files(root):
        raise MachineError(
            f"{root}: there is nothing any more where files were listed; mount it on this machine, or put them back, "
            "then run the same command"
        )
    entries = load_files(out, units)
    scenes = {each.path: BandScene(each.path, each.layers) for each in entries if each.layers}
    objects = {each.path: Stored(each.path, *each.stored, modified=0) for each in entries if each.stored}
    paths, ids = tuple(each.path for each in entries), [each.id for each in entries]
    return Listing(root, paths, (), scenes=scenes, objects=objects), ids


def pending_pieces(out: Path, units: range) -> Iterator[range]:
    """Those of some files in which nobody has looked yet, as many at once as findings are written together."""
    for gap in unchecked(out, units):
        yield from pieces_of(gap)


def gone_ranges(found: Sequence[Found]) -> Iterator[range]:
    """Neighboring files that were not there when somebody looked; `found` is of all, in order."""
    yield from runs_of(unit for unit, rows in enumerate(found) if any(map(is_gone, rows)))


def _holds_files(root: Path) -> bool:
    try:
        return any(root.iterdir())
    except OSError as error:
        raise_shortage(root, error)
        return False
