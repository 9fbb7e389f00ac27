"""Samples of the classes: of each cluster its best patches, and the images that show it most."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from segpipe.base.errors import SegpipeError
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.inference.class_gallery import GalleryInputs, survey
from segpipe.inference.plain_codes import encode_plain
from segpipe.ops import gallery
from segpipe.records.gallery import Patch
from segpipe.records.legend import plain_legend

_PATCHES, _IMAGES = 24, 12
_CROPS = 240


class ClassSamples:
    """Samples, found once for all clusters."""

    def __init__(self, run: OpenedRun) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._kept: tuple[str, Sequence[Sequence[Patch]]] | None = None

    def of(self, cluster: int) -> dict[str, Any]:
        """What shows a cluster best; no patches where features or head are missing, with a note.

        Raises:
            NotHere: there is no such cluster.
            SegpipeError: masks are missing or damaged.
        """
        clusters = self._run.mask_clusters
        if not 0 <= cluster < clusters:
            raise NotHere(f"there is no cluster {cluster}; clusters go from 0 to {clusters - 1}")
        numbers = {image.id: i for i, image in enumerate(self._run.corpus.images)}
        shares = []
        for name, entry in self._run.mask_index.items():
            held = entry["pixels"].get(str(cluster), 0)
            if held and name in numbers:
                shares.append((held / max(1, sum(entry["pixels"].values())), -numbers[name]))
        images = [[-number, round(share, 4)] for share, number in sorted(shares, reverse=True)[:_IMAGES]]
        try:
            patches = [self._described(patch) for patch in self._best()[cluster]]
        except SegpipeError as error:
            return {"patches": [], "images": images, "note": str(error)}
        return {"patches": patches, "images": images}

    def _described(self, patch: Patch) -> dict[str, Any]:
        whole = self._run.corpus.crops[patch.crop].box
        part = self._run.features.header.grid(whole.size).patch_box(patch.row, patch.col)
        return {
            "image": patch.image,
            "top": whole.top + part.top,
            "left": whole.left + part.left,
            "height": part.height,
            "width": part.width,
            "cosine": round(patch.cosine, 4),
        }

    def _best(self) -> Sequence[Sequence[Patch]]:
        """The best patches of every cluster, of a sample of the crops."""
        with self._lock:
            key = self._run.artefacts
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self._survey()
            return self._kept[1]

    def _survey(self) -> Sequence[Sequence[Patch]]:
        run, corpus, clusters = self._run, self._run.corpus, self._run.mask_clusters
        index = [run.mask_entry(image) for image in corpus.images]
        inputs = GalleryInputs(
            corpus=corpus,
            features=run.features,
            encode=partial(encode_plain, run.head, run.clusters),
            clusters=run.clusters,
            masks=run.root / "masks",
            index=index,
            legend=plain_legend(clusters),
        )
        wide = gallery.top_images(index, classes=clusters, keep=3)
        crops = gallery.choose_crops(
            [[cover.image for cover in covers] for covers in wide],
            corpus.crops_of,
            count=_CROPS,
            seed=0,
            mosaics=[i for i, image in enumerate(corpus.images) if image.mosaic],
        )
        return survey(inputs, crops, keep=_PATCHES, per_crop=8, seed=0).best
