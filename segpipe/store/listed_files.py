"""Files that several processes work on, each on its own: listed once, and what was found in them.

In the folder where a corpus, or masks of new images, are made:

.checked/files.jsonl                  a file a line: `path`, `id`, the `layers` of a scene, `stored`: size and ETag
.checked/listing.json                 their folder, how many, what cannot be used; written last
.checked/000000000-000000500.jsonl    what was found in the files 0 up to and without 500
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import MachineError
from segpipe.base.remote_path import place
from segpipe.records.corpus import GONE, Rejected
from segpipe.store.unit_spans import gaps_between, span_name, spans_of

FOLDER = ".checked"
_FILES, _LISTING = "files.jsonl", "listing.json"
_TOGETHER = 500
"""Files whose findings are written together: what a part that is killed loses at most."""

Row = dict[str, Any]
Found = list[Row]
"""What was found in one file, in the words of who looked."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that may become an image, or a film that may become many."""

    path: str
    """From the folder of all."""
    id: str
    layers: tuple[str, ...] = ()
    """The files that hold its bands, where it is not this one alone."""
    stored: tuple[int, str] | None = None
    """Bytes and ETag of an object, as its store listed it."""


@dataclass(frozen=True, slots=True)
class FileList:
    """The files as they were listed, but for the files themselves."""

    root: Path
    count: int
    rejected: tuple[Rejected, ...]
    told: tuple[str, ...] = ()
    """What is to be said of files that are not among them."""
    stamps: str = ""
    """A fingerprint of names, sizes and times of all of them, where nothing else holds it."""


def save_listing(out: Path, listed: FileList, entries: Sequence[ListedFile]) -> None:
    """Write a listing."""
    files.write_jsonl(out / FOLDER / _FILES, map(_row, entries))
    rejected = [[each.path, each.reason] for each in listed.rejected]
    header = {
        "root": str(listed.root),
        "files": listed.count,
        "rejected": rejected,
        "told": list(listed.told),
        "stamps": listed.stamps,
    }
    files.write_json(out / FOLDER / _LISTING, header)


def _row(entry: ListedFile) -> Row:
    layers = {"layers": list(entry.layers)} if entry.layers else {}
    stored = {"stored": list(entry.stored)} if entry.stored else {}
    return {"path": entry.path, "id": entry.id, **layers, **stored}


def has_listing(out: Path) -> bool:
    """Whether `save_listing` wrote one here."""
    return (out / FOLDER / _LISTING).exists()


def load_listing(out: Path) -> FileList:
    """What `save_listing` wrote, but for the files.

    Raises:
        MachineError: it is damaged.
    """
    path = out / FOLDER / _LISTING
    try:
        row = files.read_json(path)
        rejected = tuple(Rejected(*each) for each in row["rejected"])
        return FileList(place(row["root"]), int(row["files"]), rejected, tuple(row["told"]), row["stamps"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(path, error) from error


def load_files(out: Path, units: range) -> list[ListedFile]:
    """Some of the files in their order; no others are held.

    Raises:
        MachineError: the list is damaged.
    """
    path, found = out / FOLDER / _FILES, list[ListedFile]()
    try:
        with path.open("rb") as lines:
            for line in islice(lines, units.start, units.stop):
                row = files.parse_json(line.decode("utf-8", "surrogateescape"))
                stored = (int(row["stored"][0]), str(row["stored"][1])) if "stored" in row else None
                found.append(ListedFile(row["path"], row["id"], tuple(row.get("layers", ())), stored))
        if len(found) != len(units):
            raise ValueError(f"{len(found)} lines for {len(units)} files")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(path, error) from error
    return found


def pieces_of(units: range) -> list[range]:
    """The files whose findings are written together."""
    cuts = [units.start, *(n for n in range(0, units.stop, _TOGETHER) if n > units.start), units.stop]
    return [range(a, b) for a, b in pairwise(cuts) if b > a]


def save_found(out: Path, units: range, found: Sequence[Found]) -> None:
    """Write what was found in some files, a list each, once the pictures that it speaks of are there."""
    files.write_jsonl(out / FOLDER / f"{span_name(units)}.jsonl", ({"found": rows} for rows in found))


def unchecked(out: Path, units: range) -> list[range]:
    """Those of some files in which nobody has looked yet."""
    gaps = gaps_between(_spans(out), units.stop)
    clipped = (range(max(gap.start, units.start), min(gap.stop, units.stop)) for gap in gaps)
    return [gap for gap in clipped if gap]


def load_found(out: Path, units: range) -> list[Found]:
    """What was found in some files, by whatever parts; all of them were checked.

    Raises:
        MachineError: a file is damaged, or gone this moment.
    """
    found = list[Found]()
    for each in _spans(out):
        if each.stop <= units.start or each.start >= units.stop:
            continue
        path = out / FOLDER / f"{span_name(each)}.jsonl"
        try:
            rows = files.read_jsonl(path)
            if len(rows) != len(each):
                raise ValueError(f"{len(rows)} lines for {len(each)} files")
            inside = slice(max(each.start, units.start) - each.start, min(each.stop, units.stop) - each.start)
            found += [list(row["found"]) for row in rows[inside]]
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from error
    return found


def found_names(out: Path, units: range, names: Callable[[Row], Iterable[str]]) -> Iterator[str]:
    """The files that were written of some listed ones, from the folder that they lie in.

    Args:
        out: the folder.
        units: the listed files.
        names: which files were written of one thing that was found.
    """
    for piece in pieces_of(units):
        own = f"{FOLDER}/{span_name(piece)}.jsonl"
        yield own
        for rows in load_found(out, piece) if (out / own).exists() else ():
            for row in rows:
                yield from names(row)


def drop_listing(out: Path) -> None:
    """Delete all of it, once what it was for is written."""
    (out / FOLDER / _LISTING).unlink(missing_ok=True)  # first: half deleted it must not be taken for one
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def _spans(out: Path) -> list[range]:
    return spans_of(out / FOLDER, "jsonl", 10**9)


def rejected_row(found: Rejected) -> Row:
    """What is found in a file that cannot be used."""
    return {"rejected": [found.path, found.reason]}


def rejected_of(row: Row) -> Rejected | None:
    """The reason in such a row; None in that of an image."""
    return Rejected(*row["rejected"]) if "rejected" in row else None


def is_gone(row: Row) -> bool:
    """Whether a row says that a file was not there any more: on another machine, or later, it may be."""
    return "rejected" in row and row["rejected"][1] == GONE


def _damaged(path: Path, error: Exception) -> MachineError:
    return MachineError(f"{path}: its bytes changed on disk ({error}); delete it and check its files again")
