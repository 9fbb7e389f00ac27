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
from segpipe.base.runtime import Runtime
from segpipe.commands.model.predict import Model, Segment, apply
from segpipe.images.bands import numbers
from segpipe.images.listing import Listing
from segpipe.records.corpus import Corpus, Crop, Rejected
from segpipe.records.palette import nodata
from segpipe.stages import export
from segpipe.stages.index.summary import notes_of
from segpipe.store import masks, transaction
from segpipe.store.corpus import boxes_of, image_of, image_row
from segpipe.store.ownership import APPLIED, locked

MASKS, _DONE, _MODEL, _CORPUS = "masks", "done.jsonl", "model.json", "corpus"
_BEGUN = ".begun"
"""Folder in OUT of what is not finished: masks, a line for each in `done.jsonl`, and frames."""
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


def apply_to_folder(
    model: Model, listing: Listing, out: Path, config: export.Config, runtime: Runtime, *, every: int = 0
) -> Applied:
    """Write the masks of new images to OUT/masks and the formats beside it.

    All that OUT held of an earlier call gives way to what this one writes, at its end and together. What an interrupted
    call has finished is not done again, if the same file is there under the same name. Frames of videos lie in OUT
    until all is written where a format shows them, else no longer than it takes to segment them.

    Args:
        model: of `open_model`.
        listing: the files.
        out: a folder, new or of the same bundle.
        config: which formats, and how.
        runtime: workers and progress.
        every: of videos every n-th frame is taken; 0: about one a second.

    Raises:
        UsageError: `out` holds masks of another bundle, or other things.
        CorpusError: no file can be used.
        LockedError: another process writes to `out`.
    """
    with locked(out, APPLIED, earlier=lambda: (out / _MODEL).is_file()):
        transaction.recover(out)
        files.sweep(out)
        return _apply(model, listing, out, config, runtime, every=every)


def _apply(
    model: Model, listing: Listing, out: Path, config: export.Config, runtime: Runtime, *, every: int
) -> Applied:
    earlier, begun = _made_before(out, model), out / _BEGUN
    stay = export.shows_images(config)
    done, rejected = _segment(model, listing, begun, runtime, every=every, frames_stay=stay)
    if not done:
        first = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:3])
        raise CorpusError(
            f"none of {len(rejected)} files in {listing.root} can be used ({first}); repair or replace them"
        )
    classes, directory = model.clusters.clusters, begun / MASKS
    _drop_others(directory, [entry["mask"] for entry in done])
    masks.save_index(directory, [entry["mask"] for entry in done])
    masks.save_header(directory, {"classes": classes, "nodata": nodata(classes), **model.bundle.refine})
    corpus = Corpus(
        listing.root,
        tuple(image_of(entry["image"]) for entry in done),
        tuple(Crop(i, box) for i, entry in enumerate(done) for box in boxes_of(entry["image"])),
        model.bundle.scaling,
        numbers(model.bundle.index["bands"]),
        begun / _CORPUS,
    )
    for note in filter(None, [listing.told_of_others(), *notes_of(corpus)]):
        _log.info("%s", note)
    source = export.open_source(config, corpus, directory, model.bundle.legend, runtime)
    exported = begun / "formats"
    shutil.rmtree(exported, ignore_errors=True)
    exported.mkdir()
    written = export.write_formats(config, source, exported)
    files.write_jsonl(exported / _REJECTED, ({"path": r.path, "reason": r.reason} for r in rejected))
    _finish(out, model, earlier)
    return Applied(len(done), written, tuple(rejected), model.bundle.guided)


def _segment(
    model: Model, listing: Listing, begun: Path, runtime: Runtime, *, every: int, frames_stay: bool
) -> tuple[list[dict[str, Any]], list[Rejected]]:
    """Write masks to `begun` and a line of each to its journal; the lines, and what was skipped."""
    known, directory, classes = _begin(begun, model), begun / MASKS, model.clusters.clusters

    def on_result(corpus: Corpus, segment: Segment) -> dict[str, Any]:
        (image,) = corpus.images
        old, lines = known.get(image.id), list[dict[str, Any]]()
        if old is not None and old["image"]["sha256"] == image.sha256:
            return old  # its mask was whole before its line was written
        for box in segment.tiles:
            mask = segment.tile(box)
            tile = segment.side is not None
            path = masks.tile_path(directory, image.id, box) if tile else masks.mask_path(directory, image.id)
            masks.write_mask(path, mask, classes=classes)
            lines.append(masks.describe_mask(image.id, mask, classes=classes))
        line = lines[0] if segment.side is None else masks.join_tiles(image.size, segment.side, lines)
        return {"image": image_row(corpus, 0), "mask": line}

    done, rejected = list[dict[str, Any]](), list[Rejected]()
    applied = apply(model, listing, runtime, on_result, begun / _CORPUS, every=every, frames_stay=frames_stay)
    with (begun / _DONE).open("a", encoding="utf-8") as journal:
        for entry in applied:
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
    own = out / _MODEL
    if not own.exists():
        return []
    try:
        said = files.read_json(own)
        fingerprint, made = said.get("sha256"), said.get("made", [_DONE, _CORPUS])  # an earlier version kept no list
    except ValueError as error:
        raise UsageError(f"{own} is damaged ({error}); choose another folder, or delete {out} first") from error
    if fingerprint != model.fingerprint:
        raise UsageError(f"{out} holds masks of another bundle; choose another folder, or delete it first")
    return [name for name in made if isinstance(name, str)]


def _begin(begun: Path, model: Model) -> dict[str, dict[str, Any]]:
    """Make the folder of what is not finished; what an interrupted call of this bundle has finished, by id."""
    own, journal = begun / _MODEL, begun / _DONE
    if begun.exists() and not (own.exists() and files.read_text(own) == model.fingerprint):
        shutil.rmtree(begun)
    for folder in (MASKS, _CORPUS):
        (begun / folder).mkdir(parents=True, exist_ok=True)
    files.write_text(own, model.fingerprint)
    if not journal.exists():
        return {}
    found = {}
    for line in files.read_text(journal).splitlines():
        try:
            entry = files.parse_json(line)
        except ValueError:  # the last line of an interrupted call
            continue
        found[entry["image"]["id"]] = entry
    return found


def _finish(out: Path, model: Model, earlier: Sequence[str]) -> None:
    """Put all that was made in its place, and take away what an earlier call made."""
    begun = out / _BEGUN
    made = sorted([MASKS, *(entry.name for entry in (begun / "formats").iterdir())])
    gone = [name for name in earlier if name not in made]
    with transaction.staged(out, whole=made, gone=gone) as folder:
        (begun / _DONE).unlink()  # first: it speaks of masks that lie elsewhere in a moment
        (begun / MASKS).rename(folder / MASKS)
        for entry in (begun / "formats").iterdir():
            entry.rename(folder / entry.name)
        facts = {"sha256": model.fingerprint, "backbone": model.bundle.header.backbone, "made": made}
        files.write_json(folder / _MODEL, facts)
    shutil.rmtree(begun)
