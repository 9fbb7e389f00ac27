"""Masks of new images, written to a folder that is not finished yet, and a line of each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.runtime import Runtime
from segpipe.commands.model.predict import Model, Segment, apply
from segpipe.images.bands import numbers
from segpipe.images.listing import Listing
from segpipe.records.corpus import Corpus, Crop, Rejected
from segpipe.stages import export
from segpipe.store import masks
from segpipe.store.corpus import boxes_of, image_of, image_row

MASKS, CORPUS, MODEL, JOURNAL = "masks", "corpus", "model.json", "done.jsonl"
"""In the folder: masks, frames of videos, whose they are, and the lines of one process."""
Entry = dict[str, Any]
"""Of an image that is done: `image`, its line of a corpus, and `mask`, its line of an index."""


@dataclass(frozen=True)
class ApplyTask:
    """What is to be made of new images, the same in all processes."""

    model: Model
    config: export.Config
    """Which formats, and how."""
    runtime: Runtime
    every: int = 0
    """Of videos every n-th frame is taken; 0: about one a second."""


def write_masks(
    task: ApplyTask,
    listing: Listing,
    begun: Path,
    *,
    known: Mapping[str, Entry],
    ids: Sequence[str] | None = None,
) -> Iterator[Entry | Rejected]:
    """Write the masks of the files of a listing, in order; yields the entry of each, or why it was skipped.

    Frames of videos stay as long as the folder where a format shows them.

    Args:
        task: what is to be made.
        listing: the files.
        begun: the folder.
        known: entries of what is there, by id; it counts where the same file is there under the same name.
        ids: where the listing is a part of one, what its files are called in that.
    """
    model, directory, classes = task.model, begun / MASKS, task.model.clusters.clusters

    def on_result(corpus: Corpus, segment: Segment) -> Entry:
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

    stay = export.shows_images(task.config)
    of = model, listing, task.runtime, on_result, begun / CORPUS
    yield from apply(*of, every=task.every, frames_stay=stay, ids=ids)


def corpus_of(model: Model, root: Path, done: Sequence[Entry], begun: Path) -> Corpus:
    """The images that are done, as a corpus."""
    return Corpus(
        root,
        tuple(image_of(entry["image"]) for entry in done),
        tuple(Crop(i, box) for i, entry in enumerate(done) for box in boxes_of(entry["image"])),
        model.bundle.scaling,
        numbers(model.bundle.index["bands"]),
        begun / CORPUS,
    )


def begin_folder(begun: Path, fingerprint: str) -> None:
    """Make the folder of what is not finished; what was begun with another bundle is deleted."""
    own = begun / MODEL
    if begun.exists() and not (own.exists() and files.read_text(own) == fingerprint):
        shutil.rmtree(begun)
    for folder in (MASKS, CORPUS):
        (begun / folder).mkdir(parents=True, exist_ok=True)
    files.write_text(own, fingerprint)


def read_journal(begun: Path) -> dict[str, Entry]:
    """What an interrupted call has finished, by id."""
    journal, found = begun / JOURNAL, dict[str, Entry]()
    for line in files.read_text(journal).splitlines() if journal.exists() else ():
        try:
            entry = files.parse_json(line)
        except ValueError:  # the last line of an interrupted call
            continue
        found[entry["image"]["id"]] = entry
    return found
