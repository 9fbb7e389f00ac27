"""Masks of new images in parts: what several processes do of one `segpipe apply`, each its own files.

OUT/.begun/.key        which bundle, images, settings
OUT/.begun/.checked/   the files, listed once by whoever came first, and what parts have left of theirs
OUT/.begun/parts/      which parts are done or being done
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import UsageError, named
from segpipe.base.parts import PartNumber
from segpipe.commands.model.apply_work import Applying, stamps_of
from segpipe.commands.model.mask_writing import MODEL, ApplyTask, Entry, read_journal
from segpipe.images.listing import Listing
from segpipe.pipeline.part_bench import PartBench
from segpipe.pipeline.part_work import do_given, take_parts
from segpipe.store.leases import LEASE_MINUTES, Leases
from segpipe.store.listed_files import has_listing, is_gone, load_found, load_listing, rejected_of, unchecked
from segpipe.store.ownership import APPLIED, claim
from segpipe.store.part_folder import PartFolder
from segpipe.store.part_taker import told_running
from segpipe.store.run_dir import KEY, belongs

BEGUN = ".begun"
"""Folder in OUT of what is not finished."""
STAGE = "apply"
_FILES = 50
"""Of a part, where no number of parts is given."""


def key_of(task: ApplyTask, images: str) -> str:
    """What all parts of a call have in common."""
    return files.digest([task.model.fingerprint, images, task.every, task.config.identity()])


def call_of(task: ApplyTask, images: str, listing: Listing) -> dict[str, str]:
    """By what OUT says of which call it is: that of `key_of`, and the files as they were."""
    return {"call": key_of(task, images), "files": stamps_of(listing)}


def facts_of(out: Path) -> dict[str, Any]:
    """What OUT says of the call that was finished there; nothing where none was, or it is damaged."""
    try:
        return files.read_json(out / MODEL)
    except (OSError, ValueError):
        return {}


@dataclass(frozen=True, slots=True)
class PartsDone:
    """What one process did."""

    parts: int
    left: int
    """Files of the whole call that are not done yet, by whomever."""
    closed: bool = False
    """Whether OUT was finished before: by the same call, of files that are the same now."""


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
    if not (out / BEGUN).exists() and facts_of(out).items() >= call_of(task, images, listed()).items():
        return PartsDone(0, 0, closed=True)
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
        own = files.folder_beside(begun)
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
    folders = sorted((begun / "parts" / STAGE).glob("*"))
    if running := told_running((STAGE, Leases(folder, seconds=60 * LEASE_MINUTES)) for folder in folders):
        raise UsageError(f"{out}: {running}; wait for it, or until its lease has run out ({LEASE_MINUTES:g} minutes)")
    if not (belongs(begun, key_of(task, images)) and has_listing(begun)):
        return None
    work = Applying(task, begun, lambda: listing)
    if work.listed.stamps != stamps_of(listing):
        return None
    found = (row for rows in load_found(begun, range(work.units)) for row in rows)
    return None if any(map(is_gone, found)) else work  # here it is there: the listing is the same


def known_entries(begun: Path) -> dict[str, Entry]:
    """What was finished by an interrupted call and by parts of any call with this bundle, by id."""
    found = read_journal(begun)
    if has_listing(begun):
        for row in (row for rows in load_found(begun, range(load_listing(begun).count)) for row in rows):
            if rejected_of(row) is None:
                found[row["image"]["id"]] = row
    return found
