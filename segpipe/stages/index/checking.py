"""Checking the files of a corpus: all at once, or listed first and checked by several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from segpipe.base.guarded import Guards
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Track
from segpipe.images.even_sample import sample_evenly
from segpipe.images.frames import Choice
from segpipe.images.known_files import KnownFiles
from segpipe.images.listing import Listing
from segpipe.images.validate import Limits, check, expect_images, find_images
from segpipe.records.corpus import Image, Rejected, frame_path, valid_path
from segpipe.stages.index.listed_work import gone_ranges, list_out, pending_pieces, some_listed
from segpipe.store.corpus import image_of, row_of
from segpipe.store.listed_files import (
    FileList,
    Found,
    Row,
    found_names,
    load_found,
    load_listing,
    rejected_of,
    rejected_row,
    save_found,
)

Checked = Image | Rejected


@dataclass(frozen=True)
class Checks:
    """How files are looked at, the same in all processes."""

    choice: Choice
    limits: Limits
    known: KnownFiles
    out: Path
    """Folder of the corpus."""
    workers: int
    track: Track

    def expect(self, listing: Listing) -> int:
        """About how many images the files of a listing are."""
        return expect_images(listing, self.choice)

    def of(
        self, listing: Listing, guards: Guards, *, total: int, ids: Sequence[str] | None = None, preview: int = 0
    ) -> list[Checked]:
        """What the files of a listing are, in order.

        Args:
            listing: the files.
            guards: processes to decode in.
            total: images to expect.
            ids: what the files are called; None: by the names in this listing.
            preview: take an even sample of so many; 0: all.
        """
        look = partial(check, root=listing.root, corpus_dir=self.out, limits=self.limits, guards=guards)
        look = partial(self.known.check, root=listing.root, look=look)
        items = find_images(listing, self.choice, self.limits, guards, ids)
        if preview:
            items = sample_evenly(items, total=total, count=preview)
        results = thread_map(look, items, workers=self.workers, ahead=2 * self.workers)
        return list(self.track(results, total=min(total, preview or total), unit="images"))


class Checking:
    """The files of a corpus while they are checked: listed once, then looked at by one process or several.

    A unit is a listed file, which may be a film. What follows from all files together is made by who finishes.
    """

    def __init__(
        self, out: Path, checks: Callable[[], Checks], listed: Callable[[Guards], tuple[Listing, Sequence[str]]]
    ) -> None:
        """Open nothing yet.

        Args:
            out: folder of the corpus while it is made.
            checks: how files are looked at.
            listed: lists the files, with what is to be said of others.
        """
        self._out, self._open, self._list = out, checks, listed

    @cached_property
    def _checks(self) -> Checks:
        return self._open()

    @cached_property
    def listed(self) -> FileList:
        """What the listing says, but for the files."""
        return load_listing(self._out)

    @property
    def units(self) -> int:
        """Listed files."""
        return self.listed.count

    def lay_out(self) -> None:
        """List the files."""
        with Guards(self._checks.limits.memory) as guards:
            found, told = self._list(guards)
        list_out(self._out, found, told=told)

    def write(self, units: range) -> None:
        """Check some files, but for those that were checked, and write what was found a few hundred at a time."""
        with Guards(self._checks.limits.memory) as guards:
            for piece in pending_pieces(self._out, units):
                save_found(self._out, piece, self._look(piece, guards))

    def _look(self, units: range, guards: Guards) -> list[Found]:
        listing, ids = some_listed(self._out, self.listed.root, units)
        total = self._checks.expect(listing)
        found = dict[str, Found]((path, []) for path in listing.paths)
        for one in self._checks.of(listing, guards, total=total, ids=ids):
            found[_file_of(one)].append(_row_of(one))
        return list(found.values())

    def names(self, units: range) -> list[str]:
        """The files that were written of some listed ones."""
        return list(found_names(self._out, units, _names))

    def joined(self) -> list[Checked]:
        """What all files are, in order; those that no part has checked, or has not found, are checked now."""
        self.write(range(self.units))
        found = load_found(self._out, range(self.units))
        with Guards(self._checks.limits.memory) as guards:
            for again in list(gone_ranges(found)):
                found[again.start : again.stop] = self._look(again, guards)
        return [_found(row) for rows in found for row in rows]


def _file_of(found: Checked) -> str:
    """The listed file that an image or a reason comes from."""
    return found.moment.video if isinstance(found, Image) and found.moment else found.path


def _row_of(found: Checked) -> Row:
    return rejected_row(found) if isinstance(found, Rejected) else row_of(found, ())


def _found(row: Row) -> Checked:
    return rejected_of(row) or image_of(row)


def _names(row: Row) -> Iterator[str]:
    """The files that were written of what a row speaks of."""
    found, here = _found(row), Path()
    if isinstance(found, Image) and found.moment:
        yield frame_path(here, found.id).as_posix()
    elif isinstance(found, Image) and found.mosaic:
        yield valid_path(here, found.id).as_posix()
