"""Index: find the images, check every file by decoding it, and plan the crops that the network will see.

Reads  the user's images
Writes corpus/  the images that can be used with their crops, and the files put aside with the reason
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel

from segpipe.base.config import Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box, Size, five_crops, windows
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.data.images import BadImage, probe_image, sample_values
from segpipe.data.layouts import FOLDER, known_layout, list_layout
from segpipe.data.listing import Listing, list_images, make_ids
from segpipe.records.corpus import Corpus, Crop, Image, Rejected
from segpipe.store.corpus import save_corpus
from segpipe.store.run_dir import RunDir

NAME = "index"
ARTEFACT = "corpus"
NEEDS: tuple[str, ...] = ()
FORMAT = 1

_SAMPLED_IMAGES = 64
_SAMPLED_PIXELS = 20_000
_TAILS = (0.5, 99.5)

_log = logging.getLogger(__name__)

AbsoluteName = Annotated[
    str,
    AfterValidator(lambda name: name and os.path.abspath(os.path.expanduser(name))),  # noqa: PTH100, PTH111  a glob too
]


class Config(Section):
    """Settings of `index`."""

    images: AbsoluteName = setting(
        "", "folder of images (searched with its sub-folders), image file, glob, or text file of paths (.txt, .lst)"
    )
    layout: Annotated[str, AfterValidator(known_layout)] = setting(
        FOLDER, "how the folder is laid out: folder (any), or a published set such as cityscapes27"
    )
    split: str = setting("", "the images of a published set to take, such as train (where layout is not folder)")
    crops: Literal["whole", "five", "windows"] = setting(
        "whole", "what the network sees of an image: all of it, five crops of half its size, or overlapping windows"
    )
    window: int = setting(448, "side of a window in image pixels (crops=windows)", ge=16)
    overlap: float = setting(0.25, "share of a window that the next one repeats at least (crops=windows)", ge=0, le=0.9)
    max_pixels: int = setting(200_000_000, "images of more pixels are put aside before they are decoded", ge=1)


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
    fingerprint: str
    """Changes when what later stages see changes: ids, file contents, crops, scaling. Not with folders or dates."""


def check_file(name: str, *, root: Path, max_pixels: int) -> Image | Rejected:
    """Decode one file completely and fingerprint it; the image has no id yet."""
    path = root / name
    try:
        probe = probe_image(path, max_pixels=max_pixels)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Image("", name, probe.size, probe.depth, sha256, path.stat().st_size)
    except BadImage as error:
        return Rejected(name, error.reason)
    except OSError as error:
        return Rejected(name, f"cannot be read ({error.strerror})")


def plan_crops(size: Size, *, crops: str, window: int, overlap: float) -> list[Box]:
    """The boxes of one image that the network will see; together they cover it."""
    if crops == "windows":
        return windows(size, side=window, overlap=overlap)
    return five_crops(size) if crops == "five" else [Box(0, 0, size.height, size.width)]


def find_scaling(images: Sequence[Image], root: Path) -> dict[str, tuple[float, float]]:
    """For each depth but uint8 the values that become 0 and 255, the same for all images and channels.

    Percentiles 0.5 and 99.5 of a seeded sample of pixels from at most 64 images of that depth: one value for the whole
    corpus, so that brighter images stay brighter, and without the few hot pixels of a sensor.
    """
    scaling = {}
    for depth in sorted({image.depth for image in images} - {"uint8"}):
        rng = np.random.default_rng(0)
        deep = [image for image in images if image.depth == depth]
        chosen = rng.permutation(len(deep))[:_SAMPLED_IMAGES]
        sample = [sample_values(root / deep[i].path, count=_SAMPLED_PIXELS, rng=rng) for i in sorted(chosen)]
        low, high = (float(value) for value in np.percentile(np.concatenate(sample), _TAILS))
        scaling[depth] = (low, high if high > low else low + 1.0)  # constant images become black
    return scaling


def build_corpus(
    listing: Listing, checked: Sequence[Image | Rejected], *, crops: str, window: int, overlap: float
) -> tuple[Corpus, list[Rejected]]:
    """Make the corpus of the files that passed.

    Ids are made from all files found: repairing one file renames no other.

    Raises:
        CorpusError: no file passed.
    """
    rejected = [*listing.rejected, *(item for item in checked if isinstance(item, Rejected))]
    images = [
        Image(id_, item.path, item.size, item.depth, item.sha256, item.bytes)
        for id_, item in zip(make_ids(listing.paths), checked, strict=True)
        if isinstance(item, Image)
    ]
    if not images:
        first = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:3])
        raise CorpusError(
            f"none of {len(rejected)} files in {listing.root} can be used ({first}); repair or replace them"
        )
    boxes = [plan_crops(image.size, crops=crops, window=window, overlap=overlap) for image in images]
    planned = tuple(Crop(i, box) for i, own in enumerate(boxes) for box in own)
    return Corpus(listing.root, tuple(images), planned, find_scaling(images, listing.root)), rejected


def fingerprint(corpus: Corpus) -> str:
    """SHA-256 over everything of a corpus that can change a later result, hexadecimal."""
    digest = hashlib.sha256(json.dumps([FORMAT, sorted(corpus.scaling.items())]).encode())
    for image in corpus.images:
        digest.update(json.dumps([image.id, image.sha256]).encode())
    for crop in corpus.crops:
        box = crop.box
        digest.update(json.dumps([crop.image, box.top, box.left, box.height, box.width]).encode())
    return digest.hexdigest()


def summarize(corpus: Corpus, rejected: Sequence[Rejected]) -> Summary:
    """Count what is in a corpus."""
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
        fingerprint=fingerprint(corpus),
    )


def list_files(config: Config, *, skip: Path | None = None) -> Listing:
    """The files that the settings mean; see `list_images` and `list_layout`.

    Raises:
        UsageError: there are none, or a split is given for a plain folder.
    """
    if config.layout != FOLDER:
        return list_layout(config.images, layout=config.layout, split=config.split)
    if config.split:
        raise UsageError(f"index.split={config.split}: a plain folder has no splits; set index.layout, or leave it out")
    return list_images(config.images, skip=skip)


def outside(config: Config) -> list[Path]:
    """The files found now, without opening them: a file added, changed or gone makes `index` run again."""
    listing = list_files(config)
    return [listing.root / path for path in listing.paths]


def cost(config: Config, work: Work) -> Cost:
    """What a run is expected to take: decoding and hashing, about 30 ms a megapixel, and a few lines of text."""
    return Cost(0.5 + 0.03 * work.megapixels / work.workers, 350 * work.images + 25 * work.crops)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write `corpus/`."""
    listing = list_files(config, skip=run_dir.root)
    check = partial(check_file, root=listing.root, max_pixels=config.max_pixels)
    results = thread_map(check, listing.paths, workers=runtime.workers, ahead=4 * runtime.workers)
    checked = list(runtime.track(results, total=len(listing.paths), unit="images"))
    corpus, rejected = build_corpus(listing, checked, crops=config.crops, window=config.window, overlap=config.overlap)
    for item in rejected[:20]:
        _log.warning("put aside: %s: %s", item.path, item.reason)
    with run_dir.writing(ARTEFACT) as out:
        save_corpus(corpus, rejected, out)
    return summarize(corpus, rejected)
