"""Masks and export formats of new images in a folder: what `segpipe apply` writes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.commands.model.predict import Model, Segment, apply
from segpipe.images.listing import Listing
from segpipe.records.corpus import Corpus, Crop, Rejected
from segpipe.records.palette import nodata
from segpipe.stages import export
from segpipe.store import masks
from segpipe.store.corpus import boxes_of, image_of, image_row

MASKS, _DONE, _MODEL, _CORPUS = "masks", "done.jsonl", "model.json", "corpus"


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it."""

    images: int
    files: dict[str, int]
    """Files written by format."""
    rejected: tuple[Rejected, ...]
    """Listed in OUT/rejected.jsonl too."""


def apply_to_folder(
    model: Model, listing: Listing, out: Path, config: export.Config, runtime: Runtime, *, every: int = 0
) -> Applied:
    """Write the masks of new images to OUT/masks and the formats beside it.

    What an interrupted call has finished is not done again, if the same file is there under the same name. Frames of
    videos lie in OUT until all is written where a format shows them, else no longer than it takes to segment them.

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
    """
    known, directory, home = _begin(out, model), out / MASKS, out / _CORPUS
    home.mkdir(exist_ok=True)
    stay = export.shows_images(config)
    classes = model.clusters.clusters

    def on_result(corpus: Corpus, segment: Segment) -> dict[str, Any]:
        (image,) = corpus.images
        old, lines = known.get(image.id), list[dict[str, Any]]()
        if old is not None and old["image"]["sha256"] == image.sha256:
            return old
        for box in segment.tiles:
            mask = segment.tile(box)
            tile = segment.side is not None
            path = masks.tile_path(directory, image.id, box) if tile else masks.mask_path(directory, image.id)
            masks.write_mask(path, mask, classes=classes)
            lines.append(masks.describe_mask(image.id, mask, classes=classes))
        line = lines[0] if segment.side is None else masks.join_tiles(image.size, segment.side, lines)
        return {"image": image_row(corpus, 0), "mask": line}

    done, rejected = list[dict[str, Any]](), list[Rejected]()
    with (out / _DONE).open("a", encoding="utf-8") as journal:
        for entry in apply(model, listing, runtime, on_result, home, every=every, frames_stay=stay):
            if isinstance(entry, Rejected):
                rejected.append(entry)
                continue
            done.append(entry)
            journal.write(json.dumps(entry) + "\n")
            journal.flush()
    files.write_jsonl(out / "rejected.jsonl", ({"path": r.path, "reason": r.reason} for r in rejected))
    if not done:
        first = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:3])
        raise CorpusError(
            f"none of {len(rejected)} files in {listing.root} can be used ({first}); repair or replace them"
        )
    masks.save_index(directory, [entry["mask"] for entry in done])
    masks.save_header(directory, {"classes": classes, "nodata": nodata(classes), **model.bundle.refine})
    corpus = Corpus(
        listing.root,
        tuple(image_of(entry["image"]) for entry in done),
        tuple(Crop(i, box) for i, entry in enumerate(done) for box in boxes_of(entry["image"])),
        model.bundle.scaling,
        tuple(model.bundle.index["bands"]),
        home,
    )
    source = export.open_source(config, corpus, directory, model.bundle.legend, runtime)
    written = export.write_formats(config, source, out)
    shutil.rmtree(home)
    (out / _DONE).unlink()
    return Applied(len(done), written, tuple(rejected))


def _begin(out: Path, model: Model) -> dict[str, dict[str, Any]]:
    """Make the folder, or see that it is of this bundle; what an interrupted call has finished, by id."""
    files.check_utf8(out)
    own = out / _MODEL
    if own.exists():
        if json.loads(files.read_text(own)).get("sha256") != model.fingerprint:
            raise UsageError(f"{out} holds masks of another bundle; choose another folder, or delete it first")
    elif out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty and holds no masks of this bundle; choose another folder")
    (out / MASKS).mkdir(parents=True, exist_ok=True)
    files.write_json(own, {"sha256": model.fingerprint, "backbone": model.bundle.header.backbone})
    journal = out / _DONE
    if not journal.exists():
        return {}
    found = {}
    for line in journal.read_text("utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # the last line of an interrupted call
            continue
        found[entry["image"]["id"]] = entry
    return found
