"""Known features: rows of a run's finished store that show the network nothing new, copied instead of computed.

A row is known by what the network saw: the bytes of the image, how its samples are looked at and scaled, and the box.
Names and places of files do not matter.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from segpipe.base import files
from segpipe.base.errors import SegpipeError
from segpipe.inference.encoder import WHITENING, has_whitening
from segpipe.inference.extraction import SAMPLE
from segpipe.records.band_view import BandView, band_view_of
from segpipe.records.codec import Codec
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.store.crop_keys import CROP_KEYS, Keys, load_keys
from segpipe.store.features import CropFeatures, FeatureStore, stored_codec
from segpipe.store.kept import kept_file, load_kept
from segpipe.store.run_dir import RunDir

log = logging.getLogger(__name__)

_OF_NO_ACCOUNT = {"id", "path", "bytes", "geo", "gps", "moment", "notes", "levels"}
"""What is said of an image that no pixel depends on."""
_OF_EACH = {"root", "images", "crops", "scaling", "corpus_dir"}
"""What is said of a corpus that moves no pixel, or is looked up for every image."""

S = TypeVar("S", bound=Sequence[int])
Describe = Callable[[list[list[int]]], Iterator[tuple[list[int], list[CropFeatures]]]]
"""From the rows of every shard that are new to these rows and their features."""


@dataclass(frozen=True, slots=True)
class KnownFeatures:
    """A finished store, and which rows of the one that is being made it holds already."""

    folder: Path
    """Its `features/`."""
    store: FeatureStore
    rows: Mapping[int, int]
    """Row of the new store to row of this one."""

    def read(self, rows: Sequence[int]) -> Iterator[CropFeatures]:
        """The features of rows of the new store, packed as both store them; those next to each other read together."""
        old = [self.rows[row] for row in rows]
        starts = [i for i in range(len(old)) if i == 0 or old[i] != old[i - 1] + 1]
        for start, stop in pairwise([*starts, len(old)]):
            yield from self.store.stored(range(old[start], old[start] + stop - start))


def crop_keys(corpus: Corpus) -> Keys:
    """Fingerprints (crops, 16) of what a network sees of every crop."""
    shared = {each.name: getattr(corpus, each.name) for each in fields(corpus) if each.name not in _OF_EACH}
    names = [each.name for each in fields(corpus.images[0]) if each.name not in _OF_NO_ACCOUNT]
    found = np.empty((len(corpus.crops), 16), np.uint8)
    for image, rows in zip(corpus.images, corpus.crops_of, strict=True):
        seen = {name: getattr(image, name) for name in names}
        whole = files.digest([shared, seen, corpus.limits(image)])
        for row in rows:
            box = corpus.crops[row].box
            text = f"{whole} {box.top} {box.left} {box.height} {box.width} {row in corpus.slivers}"
            found[row] = np.frombuffer(hashlib.sha256(text.encode()).digest()[:16], np.uint8)
    return found


def find_known(run_dir: RunDir, keys: Keys, parts: Mapping[str, Any], *, fitted: bool) -> KnownFeatures | None:
    """The store that a run has, and which crops of the corpus it holds already; None where it holds none of them.

    Args:
        run_dir: the run.
        keys: of the corpus that it has now, as of `crop_keys`.
        parts: `format` and `settings` that the features shall be made with: those of the store must be the same.
        fitted: whether something is fitted to a sample of the crops before features are made. It stays what it was
            where the classes are kept, or where its sample was half of what it would be now at least; else all is made
            anew.
    """
    record = run_dir.manifest().stages.get("extract")
    if record is None or any(record.parts.get(name) != value for name, value in parts.items()):
        return None
    try:
        folder = run_dir.path("features")
        old, store = load_keys(folder / CROP_KEYS), FeatureStore(folder)
    except SegpipeError as error:
        log.warning("%s", error)
        return None
    if old is None or len(old) != len(store):
        return None
    places = {key.tobytes(): row for row, key in enumerate(old)}
    rows = {row: places[key.tobytes()] for row, key in enumerate(keys) if key.tobytes() in places}
    if fitted and rows and 2 * min(SAMPLE, len(old)) < min(SAMPLE, len(keys)) and load_kept(run_dir.root) is None:
        log.info("extract  all again: what is fitted to the images first was fitted to %d crops only", len(old))
        return None
    return KnownFeatures(folder, store, rows) if rows else None


def take_fit(run_dir: RunDir, known: KnownFeatures | None, out: Path) -> None:
    """Whiten `classical` features as those were that kept classes were found on, or those that are known.

    Args:
        run_dir: the run.
        known: its finished store.
        out: where its features are being made.
    """
    fitted, why = kept_file(run_dir.root, WHITENING), "as those that the kept classes were found on"
    if fitted is None and known is not None and has_whitening(known.folder):
        fitted, why = known.folder / WHITENING, "as before; `--force extract` fits that to the images there are now"
    if fitted is not None and not has_whitening(out):
        log.info("extract  features are whitened %s", why)
        files.write_bytes(out / WHITENING, fitted.read_bytes())


def settled_precision(run_dir: RunDir, known: KnownFeatures | None) -> str:
    """Number type of the features that are known, or that a run's kept classes were found on; empty where neither is.

    Which one `auto` means is decided by a sample of the images, so it can change with them.
    """
    if known is not None:
        return known.store.header.precision
    kept = load_kept(run_dir.root)
    return str(kept.space.get("precision", "")) if kept else ""


def settled_views(run_dir: RunDir, known: KnownFeatures | None, channels: Sequence[str]) -> tuple[BandView, ...]:
    """The views of these channels that features were made of, as of `settled_precision`; empty where nothing settles.

    Principal components of channels are learned of a sample of the images, so they change with them.
    """
    if known is not None and known.store.header.channels == tuple(channels):
        return known.store.header.views
    kept = load_kept(run_dir.root)
    if kept is None or kept.space.get("channels", []) != list(channels):
        return ()
    return tuple(band_view_of(row) for row in kept.space.get("views", []))


def known_codec(known: KnownFeatures | None, header: FeatureHeader) -> Codec | None:
    """How the known features are packed; None where there are none, or others are wanted."""
    if known is None or known.store.header != header:
        return None
    return stored_codec(known.folder)


def fitting(known: KnownFeatures | None, header: FeatureHeader, out: Path) -> KnownFeatures | None:
    """What is known for a store that was laid out in `out`; None where its features are made in another way."""
    if known is None or known.store.header != header:
        return None
    if not _same_codec(stored_codec(known.folder), stored_codec(out)):
        return None
    if has_whitening(out) and (out / WHITENING).read_bytes() != (known.folder / WHITENING).read_bytes():
        return None
    return known


def _same_codec(one: Codec | None, other: Codec | None) -> bool:
    if one is None or other is None:
        return one is other
    pairs = ((one.mean, other.mean), (one.directions, other.directions))
    return all(np.array_equal(a, b) if a is not None and b is not None else a is b for a, b in pairs)


def describe_new(
    known: KnownFeatures | None, pending: Sequence[S], describe: Describe
) -> Iterator[tuple[S, list[CropFeatures]]]:
    """The features of the crops of every pending shard, those that are known read where they are.

    Args:
        known: a store that fits.
        pending: rows of every shard.
        describe: computes features.

    Yields:
        The rows of a shard, as given, and their features.
    """
    rows = known.rows if known else {}
    new = [[row for row in shard if row not in rows] for shard in pending]
    for shard, (_, made) in zip(pending, describe(new), strict=True):
        fresh, there = iter(made), known.read([row for row in shard if row in rows]) if known else iter(())
        yield shard, [next(there if row in rows else fresh) for row in shard]
