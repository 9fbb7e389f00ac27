"""Likeness in the viewer: places that are like one that was clicked, and heat tiles of how like all others are."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.patch_painting import paint
from segpipe.commands.view.pyramid import levels, tile_at
from segpipe.commands.view.tile_cache import BoundedMap, TileCache
from segpipe.inference.patch_likeness import ImageFeatures, cosines_of, similar_places, vector_at
from segpipe.store.valid_patches import Valid, mean_feature

Float32 = npt.NDArray[np.float32]
_MEAN_CROPS = 300
_ANSWERS, _FIELDS = 4 << 20, 16 << 20  # bytes


class Likeness:
    """Answers of what is like a place, by the cosine of patch features without their mean."""

    def __init__(self, run: OpenedRun, cache: TileCache) -> None:
        self._run, self._cache = run, cache
        self._answers = BoundedMap[list[dict[str, Any]]](_ANSWERS)
        self._vectors = BoundedMap[Float32](_ANSWERS)
        self._cosines = BoundedMap[Float32](_FIELDS)
        self._means: dict[str, tuple[Valid, Float32]] = {}
        self._lock = threading.Lock()

    def similar(self, number: int, row: float, col: float, k: int) -> dict[str, Any]:
        """The `k` most similar places of the corpus, the best first.

        Raises:
            NotHere: there is no such image.
            SegpipeError: the place is outside, or features are missing or damaged.
        """
        key = self._run.artefacts, number, row, col, k
        found = self._answers.get(key)
        if found is None:
            vector, mean = self._vector(number, row, col), self._mean()
            corpus, store = self._run.corpus, self._run.features
            places = similar_places(vector, mean, store, corpus, self._valid(), k=k)
            found = [
                {
                    "image": place.image,
                    "row": place.box.top + place.box.height / 2,
                    "col": place.box.left + place.box.width / 2,
                    "top": place.box.top,
                    "left": place.box.left,
                    "height": place.box.height,
                    "width": place.box.width,
                    "cosine": round(place.cosine, 4),
                }
                for place in places
            ]
            self._answers.put(key, found, 300 * len(found) + 300)
        return {"places": found}

    def heat(self, at: tuple[int, float, float], number: int, level: int, col: int, row: int) -> bytes:
        """A tile as PNG that says how like a place the image is: cosine, 0 to 1 as 0 to 255, in red, green and blue.

        Raises:
            NotHere: there is no such image or tile.
            SegpipeError: the place is outside, or features are missing or damaged.
        """
        image = self._run.image(number)
        tile = tile_at(image.size, level, col, row)
        if tile is None:
            raise NotHere(f"image {number} has no tile {level}/{col}/{row}; it has {levels(image.size)} levels")

        def make() -> bytes:
            vector, mean = self._vector(*at), self._mean()
            corpus, header = self._run.corpus, self._run.features.header
            rows = corpus.crops_of[number]
            boxes = [corpus.crops[i].box for i in rows]
            drawn = paint(tile, boxes, header, lambda i: self._field(at, rows[i], vector, mean), empty=0, blended=True)
            return _encoded(drawn)

        return self._cache.get_or_make(("heat", self._run.artefacts, at, number, level, col, row), make)

    def _field(self, at: tuple[int, float, float], crop: int, vector: Float32, mean: Float32) -> Float32:
        """Cosines (rows, cols) of a crop's patches, 0 where they show nothing."""
        key = self._run.artefacts, at, crop
        found = self._cosines.get(key)
        if found is None:
            store = self._run.features
            found = np.where(store.valid(crop), cosines_of(store.patches(crop), vector, mean), 0).astype(np.float32)
            self._cosines.put(key, found, found.nbytes + 200)
        return found

    def _vector(self, number: int, row: float, col: float) -> Float32:
        key = self._run.artefacts, number, row, col
        found = self._vectors.get(key)
        if found is None:
            self._run.image(number)
            mean = self._mean()
            found = vector_at(ImageFeatures(self._run.corpus, number, self._run.features), mean, row, col)
            self._vectors.put(key, found, found.nbytes)
        return found

    def _mean(self) -> Float32:
        """The mean feature (d,) of some crops."""
        return self._measured()[1]

    def _valid(self) -> Valid:
        return self._measured()[0]

    def _measured(self) -> tuple[Valid, Float32]:
        """What is found once for all features."""
        with self._lock:
            key = self._run.artefacts
            if key not in self._means:
                store = self._run.features
                valid = Valid(store)
                self._means = {key: (valid, mean_feature(store, valid, seed=0, most=_MEAN_CROPS))}
            return self._means[key]


def _encoded(cosines: Float32) -> bytes:
    shade = np.rint(255 * np.clip(cosines, 0, 1)).astype(np.uint8)
    done, found = cv2.imencode(".png", np.repeat(shade[..., None], 3, axis=2), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return bytes(found)
