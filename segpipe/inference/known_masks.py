"""Known masks: those of a run's finished masks that would be made again of the same pixels, features and classes.

An image is known by its crops, what the network said of them, and all that decides on classes; its name does not
matter. Where codes are steadied along a video, its masks are known all together or not at all.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base import checksums, files
from segpipe.base.errors import SegpipeError
from segpipe.inference.codes import HEAD
from segpipe.inference.inputs import SegmentInputs
from segpipe.inference.known_features import crop_keys
from segpipe.records.corpus import Corpus
from segpipe.store import masks
from segpipe.store.certainty import FOLDER, KINDS
from segpipe.store.class_names import clustering
from segpipe.store.crop_keys import MASK_KEYS, Keys, load_keys
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir

_BLOCK = 4096  # vectors held at a time


def mask_keys(inputs: SegmentInputs, run_dir: RunDir, settings: Mapping[str, Any]) -> Keys:
    """Fingerprints (images, 16) of what every mask is made from.

    Args:
        inputs: what masks are made from.
        run_dir: the run.
        settings: of the stage, with its format.
    """
    how = files.digest(
        {
            "settings": settings,
            "features": inputs.features.header.to_dict(),
            "head": files.sha256(run_dir.path("head") / HEAD),
            "clusters": files.sha256(run_dir.path("clusters") / "clusters.npz"),
            "splits": clustering(run_dir) if inputs.clusters.splits else "",
        }
    )
    corpus, crops = inputs.corpus, crop_keys(inputs.corpus)
    vectors = _vector_keys(inputs.features)
    found = np.empty((len(corpus.images), 16), np.uint8)
    for i, rows in enumerate(corpus.crops_of):
        seen = [how.encode(), crops[rows.start : rows.stop].tobytes(), vectors[rows.start : rows.stop].tobytes()]
        found[i] = _digest(b"".join(seen))
    if inputs.config.steady:
        for frames in _films(corpus):
            whole = found[frames].tobytes()
            found[frames] = [_digest(found[i].tobytes() + whole) for i in frames]
    return found


def _vector_keys(store: FeatureStore) -> Keys:
    """Fingerprints (crops, 16) of the pooled vectors: features that are not the same have others."""
    found = np.empty((len(store), 16), np.uint8)
    for start in range(0, len(store), _BLOCK):
        block = store.vector_block(start, start + _BLOCK)
        found[start : start + len(block)] = [_digest(vector.tobytes()) for vector in block]
    return found


def take_masks(run_dir: RunDir, keys: Keys, inputs: SegmentInputs, out: Path) -> int:
    """Put the masks that are known where those of a run are being made; how many images they are of.

    Args:
        run_dir: the run, with finished masks or without.
        keys: as of `mask_keys`.
        inputs: what masks are made from.
        out: where the masks are being made.
    """
    if "refine" not in run_dir.manifest().stages:  # they are to be made anew
        return 0
    try:
        folder = run_dir.path("masks")
        old, index, sums = load_keys(folder / MASK_KEYS), masks.load_index(folder), checksums.read_sums(folder)
    except SegpipeError:  # those that are damaged are made anew
        return 0
    if old is None or len(old) != len(index):
        return 0
    known = {key.tobytes(): entry["id"] for key, entry in zip(old, index, strict=True)}
    parts = _parts(sums)
    more = [f"{FOLDER}/{kind}/" for kind in KINDS] if inputs.config.certainty else []
    taken = 0
    for image, key in zip(inputs.corpus.images, keys, strict=True):
        name = known.get(key.tobytes(), "")
        ends = parts.get(name, ())
        for end in ends:  # the mask is the last: where it is, its certainty is
            pairs = [(f"{start}{name}{end}", f"{start}{image.id}{end}") for start in (*more, "")]
            if not all(_take(folder, out, *pair, sums) for pair in pairs):
                break
        else:
            taken += bool(ends)
    return taken


def _take(folder: Path, out: Path, old: str, new: str, sums: Mapping[str, str]) -> bool:
    place = files.inside(out, new)
    return place.exists() or checksums.take_over_file(files.inside(folder, old), place, sums.get(old, ""))


def _parts(sums: Mapping[str, str]) -> dict[str, list[str]]:
    """By image, what comes after its id in the names of its files: `.png`, or `.tiles/` and a tile."""
    found = defaultdict[str, list[str]](list)
    for path in sums:
        if path.endswith(".png"):
            name, tiles, tile = path.rpartition(".tiles/")
            found[name or path.removesuffix(".png")].append(f"{tiles}{tile}" if name else ".png")
    return found


def _films(corpus: Corpus) -> Iterator[list[int]]:
    """The frames of every video, as places in the corpus."""
    frames = defaultdict[str, list[int]](list)
    for i, image in enumerate(corpus.images):
        if image.moment is not None:
            frames[image.moment.video].append(i)
    yield from frames.values()


def _digest(content: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(content).digest()[:16], np.uint8)
