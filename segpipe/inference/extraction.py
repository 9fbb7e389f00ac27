"""From the images of a corpus to the features of its crops: decoding ahead, batches side by side, order kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import MachineError
from segpipe.base.geometry import Box
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime, Track, no_track
from segpipe.images.corpus_reader import open_original
from segpipe.inference.encoder import Describe, open_encoder
from segpipe.ops.maps.crops import Cut, batches, cut
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.store.features import CropFeatures

SAMPLE = 256
"""Crops at most that are looked at before features are made."""
_BLOCK = 32  # crops of the sample whose features are held at a time
_FEW = 16
_WINDOWS = 16  # of a mosaic read with one opening: neighbors in a row share blocks of the file
_LARGEST = float(np.finfo(np.float16).max)

S = TypeVar("S", bound=Sequence[int])
T = TypeVar("T")


def read_cuts(rows: Sequence[int], *, corpus: Corpus, header: FeatureHeader) -> list[Cut]:
    """Decode one image, or only these windows of a mosaic, and cut these crops of it.

    Raises:
        CorpusError: the file is gone or has changed.
    """
    cuts = []
    with open_original(corpus, corpus.images[corpus.crops[rows[0]].image]) as read:
        for row in rows:
            box = corpus.crops[row].box
            pixels, whole, grid = read(box), Box(0, 0, box.height, box.width), header.grid(box.size)
            shown = pixels.rgb if pixels.channels is None else pixels.channels
            item = cut(shown, pixels.valid, whole, grid, row=row, flip=header.flipped)
            cuts.append(replace(item, valid=np.zeros_like(item.valid)) if row in corpus.slivers else item)
    return cuts


def _jobs(shard: Sequence[int], corpus: Corpus) -> Iterator[list[int]]:
    """Crops to be read at once: all that a photograph has in a shard, a few of a mosaic."""
    for index, job in groupby(shard, key=lambda row: corpus.crops[row].image):
        rows = list(job)
        step = _WINDOWS if corpus.images[index].mosaic else len(rows)
        yield from (rows[start : start + step] for start in range(0, len(rows), step))


def describe_shards(
    corpus: Corpus,
    header: FeatureHeader,
    pending: Sequence[S],
    *,
    describe: Describe,
    batch: int,
    lanes: int = 1,
    workers: int,
    track: Track = no_track,
) -> Iterator[tuple[S, list[CropFeatures]]]:
    """Describe the crops of every pending shard.

    Threads decode ahead of the network, and `lanes` batches are described side by side, so that nobody waits for
    anybody while there is work: not a processor at the barriers of a network spread over all of them, not a GPU for
    results to be taken off. Batches hold crops of one grid and one shard in row order, so that a resumed run meets
    the same batches. What is held at a time: the features of one shard, the crops in open batches and in `lanes` more,
    and the crops of `2 * workers` images (an image is decoded once per shard that its crops lie in) or of so many
    strings of 16 windows of a mosaic.

    Yields:
        The rows of a shard, as given, and their features, float16.

    Raises:
        MachineError: a feature is not a finite number of 16 bits.
        CorpusError: an image is gone or has changed.
    """
    jobs = [job for shard in pending for job in _jobs(shard, corpus)]
    read = partial(read_cuts, corpus=corpus, header=header)
    cuts = (item for job in thread_map(read, jobs, workers=workers, ahead=2 * workers) for item in job)
    total, left = len(corpus.crops), sum(len(shard) for shard in pending)
    tracked = iter(track(cuts, total=total, unit="crops", done=total - left))
    name = partial(_image_of, corpus)
    ready = (group for shard in pending for group in batches(islice(tracked, len(shard)), batch))
    work = partial(describe_crops, describe=describe, pool=header.pool, name=name)
    described = thread_map(work, ready, workers=lanes, ahead=lanes + 1)
    for shard in pending:
        features: dict[int, CropFeatures] = {}
        while len(features) < len(shard):
            features.update(next(described))
        yield shard, [features[row] for row in shard]


def describe_crops(
    crops: Sequence[Cut], describe: Describe, *, pool: str, name: Callable[[int], str]
) -> dict[int, CropFeatures]:
    """Features by row of a batch of crops of one input size; `name(row)` is for the message.

    Raises:
        MachineError: a feature is not a finite number of 16 bits.
    """
    patches, cls = describe(np.stack([item.rgb for item in crops]))
    mirrored = [item.mirrored for item in crops if item.mirrored is not None]
    turned = describe(np.stack(mirrored))[0] if mirrored else None
    found = {}
    for i, item in enumerate(crops):
        seen = item.valid if item.valid.any() else np.ones_like(item.valid)
        vector = patches[i][seen].mean(axis=0) if pool == "mean" or cls is None else cls[i]
        parts = [patches[i], vector] if turned is None else [patches[i], vector, turned[i]]
        # comparisons with NaN are false
        if not all(bool((np.abs(part) <= _LARGEST).all()) for part in parts):
            raise MachineError(
                f"{name(item.row)}: the backbone's features of this image are not finite, or too large for 16 bits; "
                "take out the image, or check extract.weights and set extract.precision=float32"
            )
        found[item.row] = CropFeatures(
            patches[i].astype(np.float16),
            vector,
            item.valid,
            None if turned is None else turned[i].astype(np.float16),
        )
    return found


def sample_rows(corpus: Corpus) -> list[int]:
    """A fixed sample of at most 256 crops of a corpus, in order: what is learned before the features are made."""
    n = len(corpus.crops)
    drawn = np.random.default_rng(0).choice(n, size=min(n, SAMPLE), replace=False)
    return [int(row) for row in np.sort(drawn)]


def sample_patches(
    corpus: Corpus,
    header: FeatureHeader,
    *,
    describe: Describe,
    batch: int,
    lanes: int = 1,
    workers: int,
    track: Track = no_track,
) -> Iterator[npt.NDArray[np.floating]]:
    """The features (m, d) of the patches of a fixed sample of crops, crop by crop, those that show image.

    Raises:
        MachineError, CorpusError: as `describe_shards`.
    """
    rows = sample_rows(corpus)

    def sampled(items: Iterable[T], *, total: int, unit: str, done: int = 0) -> Iterator[T]:
        return track(items, total=len(rows), unit=f"sample {unit}")

    some = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    for _, found in describe_shards(
        corpus, header, some, describe=describe, batch=batch, lanes=lanes, workers=workers, track=sampled
    ):
        for item in found:
            yield item.patches[item.valid] if item.valid.any() else item.patches.reshape(-1, header.dim)


def bfloat16_cosine(corpus: Corpus, header: FeatureHeader, folder: Path, runtime: Runtime) -> float:
    """How near features in bfloat16 are to those in float32: the cosine that 99 of 100 patches of a few crops reach.

    A ViT-Ti trained on labels came to 0.9984 on photographs of 320 pixels. NaN where features are no numbers.

    Args:
        corpus: gives the crops.
        header: names the network; `patch`, `dim` and `precision` are not looked at.
        folder: as of `open_encoder`.
        runtime: device.

    Raises:
        As `open_encoder` and `read_cuts`.
    """
    rows, found = sample_rows(corpus), []
    for precision in ("float32", "bfloat16"):
        encoder = open_encoder(replace(header, precision=precision), folder, runtime)
        seen = replace(header, patch=encoder.patch, flipped=False)
        cuts = [read_cuts([row], corpus=corpus, header=seen)[0] for row in rows[:: -(-len(rows) // _FEW)]]
        patches = [encoder.describe(item.rgb[None])[0].reshape(-1, encoder.dim) for item in cuts]
        found.append(np.concatenate(patches).astype(np.float64))
    exact, near = found
    with np.errstate(all="ignore"):  # what is not a number is not above
        cosines = (exact * near).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
    return float(np.percentile(cosines, 1))


def _image_of(corpus: Corpus, row: int) -> str:
    return str(corpus.path(corpus.images[corpus.crops[row].image]))
