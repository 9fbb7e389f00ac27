"""Masks and export formats of new images in a folder: what `segpipe apply` writes."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Size, tiles
from segpipe.commands.model.apply_parts import BEGUN, call_of, known_entries, parts_left
from segpipe.commands.model.apply_work import FORMATS
from segpipe.commands.model.mask_writing import (
    CORPUS,
    JOURNAL,
    MASKS,
    MODEL,
    ApplyTask,
    Entry,
    begin_folder,
    corpus_of,
    write_masks,
)
from segpipe.commands.model.predict import Model
from segpipe.images.listing import Listing
from segpipe.records.corpus import Rejected
from segpipe.records.palette import nodata
from segpipe.stages import export
from segpipe.stages.export import part_files
from segpipe.stages.export.formats.pictures import draw_legend
from segpipe.stages.index.summary import notes_of
from segpipe.store import masks, transaction
from segpipe.store.listed_files import drop_listing
from segpipe.store.ownership import APPLIED, locked
from segpipe.store.run_dir import KEY

_log = logging.getLogger(__name__)
_REJECTED = "rejected.jsonl"


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it."""

    images: int
    files: dict[str, int]
    """Files written by format."""
    rejected: tuple[Rejected, ...]
    """Listed in OUT/rejected.jsonl too."""
    guided: str
    """What steered the classes of the bundle, in words; empty where nothing did."""


def apply_to_folder(task: ApplyTask, images: str, listing: Listing, out: Path) -> Applied:
    """Write the masks of new images to OUT/masks and the formats beside it.

    All that OUT held of an earlier call gives way to what this one writes, at its end and together. What an interrupted
    call has finished is not done again, if the same file is there under the same name; what parts of this call have
    left is joined. Frames of videos lie in OUT until all is written where a format shows them, else no longer than it
    takes to segment them.

    Args:
        task: what is to be made.
        images: what the user named.
        listing: the files.
        out: a folder, new or of the same bundle.

    Raises:
        UsageError: `out` holds masks of another bundle, or other things; or parts are being done.
        CorpusError: no file can be used.
        LockedError: another process writes to `out`.
    """
    with locked(out, APPLIED, earlier=lambda: (out / MODEL).is_file()):
        transaction.recover(out)
        files.sweep(out)
        return _apply(task, images, listing, out)


def _apply(task: ApplyTask, images: str, listing: Listing, out: Path) -> Applied:
    model, begun = task.model, out / BEGUN
    earlier, parts = _made_before(out, model), parts_left(task, images, out, listing)
    exported = begun / FORMATS
    if parts is None:
        done, rejected = _segment(task, listing, begun)
        shutil.rmtree(exported, ignore_errors=True)
        written = dict[str, int]()
    else:
        done, rejected, written = parts.joined()
    if not done:
        first = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:3])
        raise CorpusError(
            f"none of {len(rejected)} files in {listing.root} can be used ({first}); repair or replace them"
        )
    directory, classes = begun / MASKS, model.clusters.clusters
    _drop_others(directory, [entry["mask"] for entry in done])
    masks.save_index(directory, [entry["mask"] for entry in done])
    masks.save_header(directory, {"classes": classes, "nodata": nodata(classes), **model.bundle.refine})
    corpus = corpus_of(model, listing.root, done, begun)
    for note in filter(None, [listing.told_of_others(), *notes_of(corpus)]):
        _log.info("%s", note)
    wanted = task.config.formats
    config = task.config.model_copy(update={"formats": tuple(name for name in wanted if name not in written)})
    source = export.open_source(config, corpus, directory, model.bundle.legend, task.runtime)
    with part_files.moved_in(exported) as (folder, _):
        if "overlay" in written:  # parts know the classes of their own images
            files.write_bytes(folder / "legend.png", draw_legend(source))
        written |= export.write_formats(config, source, folder)
        files.write_jsonl(folder / _REJECTED, ({"path": r.path, "reason": r.reason} for r in rejected))
    part_files.drop_notes(exported)
    _finish(out, model, earlier, call_of(task, images, listing))
    return Applied(len(done), {name: written[name] for name in wanted}, tuple(rejected), model.bundle.guided)


def _segment(task: ApplyTask, listing: Listing, begun: Path) -> tuple[list[Entry], list[Rejected]]:
    """Write masks to `begun` and a line of each to its journal; the lines, and what was skipped."""
    begin_folder(begun, task.model.fingerprint)
    known, done, rejected = known_entries(begun), list[Entry](), list[Rejected]()
    with (begun / JOURNAL).open("a", encoding="utf-8") as journal:
        for entry in write_masks(task, listing, begun, known=known):
            if isinstance(entry, Rejected):
                rejected.append(entry)
                continue
            done.append(entry)
            journal.write(json.dumps(entry) + "\n")
            journal.flush()
    return done, rejected


def _drop_others(directory: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Delete masks that an interrupted call has made of images that are gone now, or have another size."""
    wanted = set[Path]()
    for line in lines:
        if "tile" in line:
            boxes = tiles(Size(line["height"], line["width"]), line["tile"])
            wanted |= {masks.tile_path(directory, line["id"], box) for box in boxes}
        else:
            wanted.add(masks.mask_path(directory, line["id"]))
    for path in directory.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()


def _made_before(out: Path, model: Model) -> list[str]:
    """What an earlier call wrote to `out`.

    Raises:
        UsageError: it was one of another bundle.
    """
    own = out / MODEL
    if not own.exists():
        return []
    try:
        said = files.read_json(own)
        fingerprint, made = said.get("sha256"), said.get("made", [JOURNAL, CORPUS])  # an earlier version kept no list
    except ValueError as error:
        raise UsageError(f"{own} is damaged ({error}); choose another folder, or delete {out} first") from error
    if fingerprint != model.fingerprint:
        raise UsageError(f"{out} holds masks of another bundle; choose another folder, or delete it first")
    return [name for name in made if isinstance(name, str)]


def _finish(out: Path, model: Model, earlier: Sequence[str], call: Mapping[str, str]) -> None:
    """Put all that was made in its place, and take away what an earlier call made."""
    begun = out / BEGUN
    made = sorted([MASKS, *(entry.name for entry in (begun / FORMATS).iterdir())])
    gone = [name for name in earlier if name not in made]
    with transaction.staged(out, whole=made, gone=gone) as folder:
        (begun / KEY).unlink(missing_ok=True)  # first: these speak of masks that lie elsewhere in a moment
        (begun / JOURNAL).unlink(missing_ok=True)
        drop_listing(begun)
        (begun / MASKS).rename(folder / MASKS)
        for entry in (begun / FORMATS).iterdir():
            entry.rename(folder / entry.name)
        facts = {"sha256": model.fingerprint, "backbone": model.bundle.header.backbone, "made": made, **call}
        files.write_json(folder / MODEL, facts)
    shutil.rmtree(begun)
