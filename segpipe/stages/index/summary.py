"""What is said of a corpus: counts, its fingerprint, and what was read otherwise than one might expect."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple

from pydantic import BaseModel

from segpipe.records.corpus import SLIVER, Corpus, Rejected
from segpipe.records.view import PLAIN, view_row

FORMAT = 1


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    images: int
    crops: int
    rejected: int
    duplicates: int
    """Images whose file equals an earlier one byte by byte; they stay in the corpus."""
    megapixels: float
    smallest: tuple[int, int]
    """Height and width of the image with the fewest pixels."""
    largest: tuple[int, int]
    depths: dict[str, int]
    """Images per sample type."""
    mosaics: int = 0
    """Images that are read by windows."""
    videos: int = 0
    frames: int = 0
    """Images that are frames of videos."""
    known: int | None = None
    """Images whose files an earlier index of the run had decoded; None where there was none, or by other settings."""
    preview_of: int | None = None
    """How many images and frames there are, or about, where the corpus is an even sample of them."""
    notes: list[str] = []
    """What was read otherwise than one might expect, each kind once, with how many images and which."""
    fingerprint: str
    """Changes when what later stages see changes: ids, file contents, crops, scaling. Not with folders or dates."""


def fingerprint(corpus: Corpus) -> str:
    """SHA-256 over everything of a corpus that can change a later result, hexadecimal."""
    digest = hashlib.sha256(json.dumps([FORMAT, sorted(corpus.scaling.items())]).encode())
    for image in corpus.images:
        digest.update(json.dumps([image.id, image.sha256]).encode())
    for crop in corpus.crops:
        box = crop.box
        digest.update(json.dumps([crop.image, box.top, box.left, box.height, box.width]).encode())
    mosaics = [
        (image.id, image.geo and [image.geo.crs, *image.geo.transform]) for image in corpus.images if image.mosaic
    ]
    if corpus.bands or mosaics:  # a corpus of photographs has the fingerprint it always had
        digest.update(json.dumps([corpus.bands, mosaics]).encode())
    moments = [astuple(image.moment) for image in corpus.images if image.moment]
    views = [(image.id, view_row(image.view)) for image in corpus.images if image.view != PLAIN]
    if views:
        digest.update(json.dumps(views, sort_keys=True).encode())
    if moments:
        digest.update(json.dumps(moments).encode())
    return digest.hexdigest()


def summarize(
    corpus: Corpus, rejected: Sequence[Rejected], told: Sequence[str] = (), *, preview_of: int | None = None
) -> Summary:
    """Count what is in a corpus; `told` is said of what is not. Of a preview: how many images there are."""
    if preview_of is not None:
        told = [f"preview of {len(corpus.images):,} of {preview_of:,} images", *told]
    sizes = sorted((image.size for image in corpus.images), key=lambda size: size.height * size.width)
    return Summary(
        images=len(corpus.images),
        crops=len(corpus.crops),
        rejected=len(rejected),
        duplicates=len(corpus.images) - len({image.sha256 for image in corpus.images}),
        megapixels=sum(size.height * size.width for size in sizes) / 1e6,
        smallest=(sizes[0].height, sizes[0].width),
        largest=(sizes[-1].height, sizes[-1].width),
        depths=dict(sorted(Counter(image.depth for image in corpus.images).items())),
        mosaics=sum(image.mosaic for image in corpus.images),
        videos=len({image.moment.video for image in corpus.images if image.moment}),
        frames=sum(image.moment is not None for image in corpus.images),
        preview_of=preview_of,
        notes=[*told, *notes_of(corpus), *filter(None, [told_of_slivers(corpus)])],
        fingerprint=f"{fingerprint(corpus)}{'' if preview_of is None else f' of {preview_of}'}",
    )


def told_of_slivers(corpus: Corpus) -> str:
    """What to say of crops that have no say in the classes; empty where there are none."""
    found = [corpus.images[i].path for i in sorted({corpus.crops[row].image for row in corpus.slivers})]
    if not found:
        return ""
    return f"{_some(found)}: looked at in parts of fewer than {SLIVER} pixels; they get masks, but make no classes"


def notes_of(corpus: Corpus) -> list[str]:
    """What is to be told of the images, each kind once: how many, and the first of them."""
    found: dict[str, list[str]] = {}
    for image in corpus.images:
        for note in image.notes:
            found.setdefault(note, []).append(image.path)
    return [f"{_some(names)}: {note}" for note, names in found.items()]


def told_of_labels(names: Sequence[str]) -> str:
    """What to say of label masks that were left out; empty where there are none."""
    if not names:
        return ""
    are = "is a label mask" if len(names) == 1 else "are label masks"
    return f"{_some(names)} {are} by the name of a photograph and left out; index.labels_too=true makes images of them"


def _some(names: Sequence[str]) -> str:
    """How many images, and the first of them.

    >>> _some(["a.tif"]), _some(["a.tif", "b.tif", "c.tif"])
    ('a.tif', '3 images (a.tif, b.tif, ...)')
    """
    if len(names) == 1:
        return names[0]
    return f"{len(names)} images ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"
