"""Masks of new images in parts: what several processes do of one `segpipe apply`, each its own files.

OUT/.begun/.key        which bundle, images, settings
OUT/.begun/.checked/   the files, listed once by whoever came first, and what parts have left of theirs
OUT/.begun/parts/      which parts are done or being done
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from segpipe.base import files
from segpipe.base.errors import UsageError, named
from segpipe.base.parts import PartNumber
from segpipe.commands.model.mask_writing import (
    MASKS,
    MODEL,
    ApplyTask,
    Entry,
    begin_folder,
    corpus_of,
    read_journal,
    write_masks,
)
from segpipe.images.listing import BandScene, Listing, make_ids
from segpipe.pipeline.part_work import LEASE_MINUTES, PartBench, do_given, take_parts
from segpipe.records.corpus import Rejected
from segpipe.stages import export, index
from segpipe.stages.export import part_files
from segpipe.stages.export.formats.source import Source
from segpipe.store import masks
from segpipe.store.leases import Leases
from segpipe.store.listed_files import (
    FileList,
    ListedFile,
    Row,
    found_names,
    has_listing,
    load_files,
    load_found,
    load_listing,
    pieces_of,
    rejected_of,
    rejected_row,
    save_found,
    save_listing,
    unchecked,
)
from segpipe.store.ownership import APPLIED, claim
from segpipe.store.part_folder import PartFolder
from segpipe.store.run_dir import KEY, belongs

BEGUN = ".begun"
"""Folder in OUT of what is not finished."""
STAGE, FORMATS = "apply", "formats"
_FILES = 50
"""Of a part, where no number of parts is given."""


class Applying:
    """The masks of new images while they are made: their files listed once, then segmented by several processes.

    A unit is a listed file, which may be a film.
    """

    def __init__(self, task: ApplyTask, begun: Path, listed: Callable[[], Listing]) -> None:
        self._task, self._begun, self._list = task, begun, listed

    @cached_property
    def listed(self) -> FileList:
        """What the listing says, but for the files."""
        return load_listing(self._begun)

    @property
    def units(self) -> int:
        """Listed files."""
        return self.listed.count

    def lay_out(self) -> None:
        """List the files."""
        listing = self._list()
        begin_folder(self._begun, self._task.model.fingerprint)
        layers = {path: scene.layers for path, scene in listing.scenes.items()}
        names = zip(listing.paths, make_ids(listing.names), strict=True)
        entries = [ListedFile(path, id_, layers.get(path, ())) for path, id_ in names]
        listed = FileList(listing.root, len(entries), listing.rejected, stamps=stamps_of(listing))
        save_listing(self._begun, listed, entries)

    def write(self, units: range) -> None:
        """Write masks, and formats with files of an image's own, of those files that nobody has worked on yet."""
        for gap in unchecked(self._begun, units):
            for piece in pieces_of(gap):
                self._segment(piece)

    def _segment(self, units: range) -> None:
        entries = load_files(self._begun, units)
        scenes = {each.path: BandScene(each.path, each.layers) for each in entries if each.layers}
        listing = Listing(self.listed.root, tuple(each.path for each in entries), (), scenes=scenes)
        found, done = dict[str, list[Row]]((each.path, []) for each in entries), list[Entry]()
        for one in write_masks(self._task, listing, self._begun, known={}, ids=[each.id for each in entries]):
            if isinstance(one, Rejected):
                found[one.path].append(rejected_row(one))
                continue
            done.append(one)
            image = one["image"]
            found[image["moment"]["video"] if "moment" in image else image["path"]].append(one)
        out = self._begun / FORMATS
        with part_files.moved_in(out) as (folder, names):
            counts = self._write_formats(done, folder)
        part_files.save_range(out, units, names, counts)
        save_found(self._begun, units, list(found.values()))

    def _write_formats(self, done: Sequence[Entry], folder: Path) -> dict[str, int]:
        task, own = self._task, [name for name in self._task.config.formats if name in part_files.PER_IMAGE]
        if not own or not done:
            return {}
        config = task.config.model_copy(update={"formats": tuple(own)})
        corpus = corpus_of(task.model, self.listed.root, done, self._begun)
        lines = [entry["mask"] for entry in done]
        legend, directory = task.model.bundle.legend, self._begun / MASKS
        return export.write_formats(config, Source(corpus, directory, lines, legend, config, task.runtime), folder)

    def names(self, units: range) -> list[str]:
        """The files that were written of some listed ones."""
        return list(found_names(self._begun, units, _names))

    def joined(self) -> tuple[list[Entry], list[Rejected], dict[str, int]]:
        """What all files became, in order, those that no part has done too; and files by format of those written."""
        self.write(range(self.units))
        done, rejected = list[Entry](), list(self.listed.rejected)
        for row in (row for rows in load_found(self._begun, range(self.units)) for row in rows):
            skipped = rejected_of(row)
            done.append(row) if skipped is None else rejected.append(skipped)
        return done, rejected, part_files.joined_counts(self._begun / FORMATS, self.units)


def _names(row: Row) -> Iterator[str]:
    if "mask" in row:
        yield from (f"{MASKS}/{name}" for name in masks.mask_names(row["mask"]))


def stamps_of(listing: Listing) -> str:
    """A fingerprint of names, sizes and times of the files of a listing."""
    return files.stamps(index.files_of(listing))


def key_of(task: ApplyTask, images: str) -> str:
    """What all parts of a call have in common."""
    return files.digest([task.model.fingerprint, images, task.every, task.config.identity()])


@dataclass(frozen=True, slots=True)
class PartsDone:
    """What one process did."""

    parts: int
    left: int
    """Files of the whole call that are not done yet, by whomever."""


def apply_parts(
    task: ApplyTask,
    images: str,
    out: Path,
    listed: Callable[[], Listing],
    part: PartNumber | None,
    *,
    lease_minutes: float,
) -> PartsDone:
    """Do one part of a call, or (None) take parts by leases until none is left; OUT's lock is not taken.

    Args:
        task: what is to be made.
        images: what the user named.
        out: a folder, new or of the same bundle.
        listed: lists the files; asked where nobody has.
        part: which is to be done.
        lease_minutes: after which a part is taken over whose worker was not heard of.

    Raises:
        UsageError: another call was begun there, or it holds other things.
        SegpipeError: parts failed.
    """
    bench = open_parts(task, images, out, listed, part)
    if part is None:
        did = take_parts(bench, Leases(bench.folder.path, seconds=60 * lease_minutes))
    else:
        did = int(do_given(bench, part.number, lease_minutes=lease_minutes))
    return PartsDone(did, sum(len(gap) for gap in unchecked(bench.out, range(bench.work.units))))


def open_parts(
    task: ApplyTask, images: str, out: Path, listed: Callable[[], Listing], part: PartNumber | None
) -> PartBench:
    """Lay OUT out, or find it laid out by another part of the same call.

    Args:
        task: what is to be made.
        images: what the user named.
        out: a folder, new or of the same bundle.
        listed: lists the files.
        part: which is to be done; None: by leases.

    Raises:
        UsageError: another call was begun there, or it holds other things.
    """
    begun, key = out / BEGUN, key_of(task, images)
    claim(out, APPLIED, earlier=lambda: (out / MODEL).is_file())
    if not begun.exists():
        own = out / f".{uuid.uuid4().hex[:8]}.begun"
        Applying(task, own, listed).lay_out()
        files.write_text(own / KEY, key)
        try:
            own.rename(begun)
        except OSError:  # another was first
            shutil.rmtree(own)
    if not (belongs(begun, key) and has_listing(begun)):
        raise UsageError(
            f"{out} holds what `segpipe apply` with another bundle, other images or settings has begun; finish that by "
            f"the same command without {named('part')}, or delete {begun}"
        )
    work = Applying(task, begun, listed)
    count = part.count if part else max(1, min(work.units, -(-work.units // _FILES)))
    own_key = f"{key}-{count}"
    return PartBench(STAGE, own_key, count, PartFolder(begun, STAGE, own_key), begun, work)


def parts_left(task: ApplyTask, images: str, out: Path, listing: Listing) -> Applying | None:
    """What parts of the same call have left of the same files; None where they have left nothing.

    Raises:
        UsageError: parts are being done.
    """
    begun = out / BEGUN
    for folder in sorted((begun / "parts" / STAGE).glob("*")):
        running = Leases(folder, seconds=60 * LEASE_MINUTES).running()
        if running:
            name, who = next(iter(running.items()))
            raise UsageError(
                f"{out}: part {int(name)} is being done by {who}; wait for it, or until its lease has run out "
                f"({LEASE_MINUTES:g} minutes)"
            )
    if not (belongs(begun, key_of(task, images)) and has_listing(begun)):
        return None
    work = Applying(task, begun, lambda: listing)
    return work if work.listed.stamps == stamps_of(listing) else None


def known_entries(begun: Path) -> dict[str, Entry]:
    """What was finished by an interrupted call and by parts of any call with this bundle, by id."""
    found = read_journal(begun)
    if has_listing(begun):
        for row in (row for rows in load_found(begun, range(load_listing(begun).count)) for row in rows):
            if rejected_of(row) is None:
                found[row["image"]["id"]] = row
    return found
