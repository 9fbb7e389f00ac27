"""A run as the viewer has it open: artefacts read when they are asked for, and again once their files have changed.

A run may be half done, damaged, or worked on by another command meanwhile: what is there is shown, the rest is a note.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.errors import SegpipeError, UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.base.shown import shorten
from segpipe.inference.plain_codes import PlainHead, open_plain_head
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.records.corpus import Corpus, Image
from segpipe.records.cover import Cover
from segpipe.store import masks
from segpipe.store.clusters import SPLITS, load_tree, open_clusters
from segpipe.store.corpus import load_corpus
from segpipe.store.cover import load_cover
from segpipe.store.features import NAME, FeatureStore

T = TypeVar("T")
Int64 = npt.NDArray[np.int64]
_DAMAGE = (OSError, ValueError, LookupError, TypeError, RuntimeError, AttributeError, EOFError)
"""What parsers raise for files that are cut short or overwritten."""

WATCHED = (
    "corpus/corpus.jsonl",
    f"features/{NAME}/zarr.json",
    "head/head.safetensors",
    "clusters/clusters.npz",
    "clusters/tree.npz",
    SPLITS,
    "masks/header.json",
    "masks/index.jsonl",
)
"""Files that stand for the artefacts that pictures are made of."""

Signature = tuple[tuple[int, int, int] | None, ...]


class NotHere(LookupError):
    """What was asked for by number does not exist."""


def signature(root: Path, names: tuple[str, ...]) -> Signature:
    """What tells whether files have changed, without reading them: inode, size and time of each, None where absent."""
    found = list[tuple[int, int, int] | None]()
    for name in names:
        try:
            stat = (root / name).stat()
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        except OSError:
            found.append(None)
    return tuple(found)


class OpenedRun:
    """Artefacts of a run; safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        """Open the run at `root`.

        Raises:
            UsageError: it is no run.
        """
        self.root = root
        self.run_dir = pipeline.existing_run(root)
        self._lock = threading.RLock()
        self._kept: dict[str, tuple[Signature, Any]] = {}

    @property
    def artefacts(self) -> str:
        """Fingerprint of what the pictures are made of; it changes when a stage has run again."""
        return files.digest(signature(self.root, WATCHED))

    def _open(self, name: str, watched: tuple[str, ...], load: Callable[[], T]) -> T:
        """What `load` makes of some files, kept until one of them changes.

        Raises:
            SegpipeError: they are missing or damaged.
        """
        with self._lock:
            now = signature(self.root, watched)
            kept = self._kept.get(name)
            if kept is not None and kept[0] == now:
                found: T = kept[1]
                return found
            try:
                found = load()
            except SegpipeError:
                raise
            except _DAMAGE as error:
                path = self.root / watched[0]
                raise_shortage(path, error)
                raise UsageError(
                    f"{path} is missing or damaged ({shorten(str(error).split(chr(10))[0], 120)}); "
                    f"`segpipe check {self.root}` says what to make again"
                ) from error
            self._kept[name] = now, found
            return found

    @property
    def corpus(self) -> Corpus:
        """The images and their crops."""
        return self._open("corpus", ("corpus/corpus.jsonl",), lambda: load_corpus(self.run_dir.path("corpus")))

    def image(self, number: int) -> Image:
        """An image by its number.

        Raises:
            NotHere: there is none.
        """
        images = self.corpus.images
        if not 0 <= number < len(images):
            raise NotHere(f"there is no image {number}; images go from 0 to {len(images) - 1}")
        return images[number]

    @property
    def features(self) -> FeatureStore:
        """The features of all crops."""
        return self._open(
            "features", (f"features/{NAME}/zarr.json",), lambda: FeatureStore(self.run_dir.path("features"))
        )

    @property
    def head(self) -> PlainHead:
        """What makes codes of features."""
        return self._open("head", ("head/head.safetensors",), lambda: open_plain_head(self.run_dir.path("head")))

    @property
    def clusters(self) -> ClusterModel:
        """The clusters, those cut further that were split."""
        return self._open("clusters", ("clusters/clusters.npz", SPLITS), lambda: open_clusters(self.run_dir))

    @property
    def tree(self) -> ClusterTree:
        """The small clusters, and how they merge."""
        return self._open("tree", ("clusters/tree.npz",), lambda: load_tree(self.run_dir.path("clusters") / "tree.npz"))

    @property
    def mask_header(self) -> Mapping[str, Any]:
        """How the masks were made."""
        return self._open("header", ("masks/header.json",), lambda: masks.load_header(self.run_dir.path("masks")))

    @property
    def mask_clusters(self) -> int:
        """How many clusters the masks have."""
        return int(self.mask_header["classes"])

    @property
    def mask_index(self) -> Mapping[str, Mapping[str, Any]]:
        """For each image, by id, size and pixels of its mask."""
        return self._open(
            "index",
            ("masks/index.jsonl",),
            lambda: {line["id"]: line for line in masks.load_index(self.run_dir.path("masks"))},
        )

    @property
    def counts(self) -> tuple[Int64, Int64, Int64]:
        """Which image, by its place in the index, has which cluster in how many pixels, (m,) each."""

        def count() -> tuple[Int64, Int64, Int64]:
            rows = [
                (number, int(cluster), pixels)
                for number, entry in enumerate(self.mask_index.values())
                for cluster, pixels in entry["pixels"].items()
                if int(cluster) < self.mask_clusters
            ]
            found = np.array(rows, np.int64).reshape(-1, 3)
            return found[:, 0], found[:, 1], found[:, 2]

        return self._open("counts", ("masks/index.jsonl", "masks/header.json"), count)

    @property
    def pixels(self) -> Int64:
        """Pixels of every cluster, (clusters,)."""
        _, clusters, counts = self.counts
        found = np.zeros(self.mask_clusters, np.int64)
        np.add.at(found, clusters, counts)
        return found

    def mask_entry(self, image: Image) -> Mapping[str, Any]:
        """An image's line of the index.

        Raises:
            NotHere: it has no mask.
            UsageError: its mask is of another size.
        """
        entry = self.mask_index.get(image.id)
        if entry is None:
            raise NotHere(f"{image.id} has no mask yet")
        if (entry["height"], entry["width"]) != (image.size.height, image.size.width):
            raise UsageError(f"the mask of {image.id} does not have its size; run `segpipe refine {self.root}`")
        return entry

    @property
    def settings(self) -> pipeline.Settings:
        """What config.yaml says."""
        return self._open("settings", ("config.yaml",), lambda: pipeline.resolve(self.run_dir))

    @property
    def cover(self) -> Cover | None:
        """What classes cover; None where that is not known or damaged."""
        with suppress(SegpipeError):
            return self._open("cover", ("cover/cover.json",), lambda: load_cover(self.run_dir.path("cover")))
        return None
