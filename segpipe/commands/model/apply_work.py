"""The work of `segpipe apply` on new images, by units: a listed file, which may be a film."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from segpipe.base import files
from segpipe.commands.model.mask_writing import MASKS, ApplyTask, Entry, begin_folder, corpus_of, write_masks
from segpipe.images.listing import Listing
from segpipe.records.corpus import Rejected
from segpipe.stages import export, index
from segpipe.stages.export import part_files
from segpipe.stages.export.formats.source import Source
from segpipe.stages.index.listed_work import list_out, pending_pieces, some_listed
from segpipe.store import masks
from segpipe.store.listed_files import (
    FileList,
    Row,
    found_names,
    load_found,
    load_listing,
    rejected_of,
    rejected_row,
    save_found,
)

FORMATS = "formats"
"""Folder of what is not finished of them."""


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
        list_out(self._begun, listing, stamps=stamps_of(listing))

    def write(self, units: range) -> None:
        """Write masks, and formats with files of an image's own, of those files that nobody has worked on yet."""
        for piece in pending_pieces(self._begun, units):
            self._segment(piece)

    def _segment(self, units: range) -> None:
        listing, ids = some_listed(self._begun, self.listed.root, units)
        found, done = dict[str, list[Row]]((path, []) for path in listing.paths), list[Entry]()
        for one in write_masks(self._task, listing, self._begun, known={}, ids=ids):
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
