"""Likeness of patches: the feature at a place of an image, and the patches of a run by their cosine to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.base.geometry import Box, Size
from segpipe.images.corpus_reader import read_reduced
from segpipe.ops.maps import blend
from segpipe.ops.metrics import probes
from segpipe.records.corpus import Corpus, Image
from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import Valid

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """An image and its features, of a run or of its own."""

    corpus: Corpus
    index: int
    features: Any
    """A `FeatureStore`, or a `LiveFeatures` of images that are in no store."""

    @property
    def image(self) -> Image:
        """The image."""
        return self.corpus.images[self.index]

    @property
    def rows(self) -> range:
        """Its crops."""
        return self.corpus.crops_of[self.index]

    def rgb(self, size: Size) -> npt.NDArray[np.uint8]:
        """Its pixels scaled down to a size, (size.height, size.width, 3)."""
        return read_reduced(self.corpus, self.image, size)


@dataclass(frozen=True, slots=True)
class Match:
    """One image that was found."""

    index: int
    """In the run's corpus."""
    score: float
    """Cosine, after the corpus's mean was taken away."""
    at: tuple[float, float] | None = None
    """Row and column, in pixels, of the middle of the most similar patch."""


def _point(row: float, col: float) -> str:
    return named("point", (f"{row:g}", f"{col:g}"))


def vector_at(view: ImageFeatures, mean: Float32, row: float, col: float) -> Float32:
    """The unit feature (d,) at a point, bilinearly between patches, of the crop whose middle is nearest.

    Args:
        view: the image.
        mean: (d,) what is taken away from features.
        row: in pixels from the upper edge.
        col: in pixels from the left edge.

    Raises:
        UsageError: the point is outside the image, or shows nothing.
    """
    size = view.image.size
    if not (0 <= row < size.height and 0 <= col < size.width):
        raise UsageError(
            f"{_point(row, col)} is outside {view.image.id}, which has {size.height} rows and {size.width} columns"
        )
    boxes = [view.corpus.crops[i].box for i in view.rows]
    y, x = np.array([row + 0.5]), np.array([col + 0.5])
    nearest = int(probes.nearest_box(boxes, y, x)[0])
    crop, box = view.rows[nearest], boxes[nearest]
    at = view.features.header.grid(box.size).locate(y - box.top, x - box.left)
    if not view.features.valid(crop)[round(max(0.0, at[0][0])), round(max(0.0, at[1][0]))]:
        raise UsageError(f"{_point(row, col)}: {view.image.id} shows no image there")
    found = probes.read_points(view.features.patches(crop), *at)[0] - mean
    return np.asarray(found / np.linalg.norm(found), np.float32)


def similar_patches(
    vector: Float32, mean: Float32, store: FeatureStore, corpus: Corpus, rows: Iterable[int]
) -> list[Match]:
    """Of every image the patch that is most like a vector, the most similar image first.

    Args:
        vector: (d,) unit.
        mean: (d,) what is taken away from features.
        store: of the corpus.
        corpus: the images.
        rows: the crops to look at, one after the other; what is held is one of them.
    """
    best: dict[int, Match] = {}
    for row in rows:
        crop, valid = corpus.crops[row], store.valid(row)
        cosines = np.where(valid, cosines_of(store.patches(row), vector, mean), -np.inf)
        at = np.unravel_index(int(cosines.argmax()), cosines.shape)
        score = float(cosines[at])
        if np.isfinite(score) and (crop.image not in best or score > best[crop.image].score):
            patch = store.header.grid(crop.box.size).patch_box(int(at[0]), int(at[1]))
            middle = (crop.box.top + patch.top + patch.height / 2, crop.box.left + patch.left + patch.width / 2)
            best[crop.image] = Match(crop.image, score, middle)
    return sorted(best.values(), key=lambda found: (-found.score, found.index))


def cosines_of(patches: npt.NDArray[np.floating], vector: Float32, mean: Float32) -> Float32:
    """Cosines (rows, cols) of patches (rows, cols, d), without a mean, and a unit vector (d,)."""
    centered = np.asarray(patches, np.float32) - mean
    lengths = np.linalg.norm(centered, axis=-1)
    return np.asarray(centered @ vector / np.maximum(lengths, 1e-12), np.float32)


def fast_cosines(patches: npt.NDArray[np.floating], vector: Float32, mean: Float32) -> Float32:
    """As `cosines_of`, without an array of all patches minus the mean: |x - m| by |x|, x m and |m|."""
    rows, cols, dim = patches.shape
    flat = np.asarray(patches, np.float32).reshape(-1, dim)
    both = flat @ np.stack([vector, mean], axis=1)
    squares = np.einsum("nd,nd->n", flat, flat) - 2 * both[:, 1] + float(mean @ mean)
    lengths = np.sqrt(np.maximum(squares, 1e-12))
    return np.asarray(((both[:, 0] - float(vector @ mean)) / lengths).reshape(rows, cols), np.float32)


def heat(view: ImageFeatures, vector: Float32, mean: Float32, out: Size) -> Float32:
    """How much every place of an image is like a vector: cosines (out.height, out.width), blended over its crops."""
    header, boxes = view.features.header, [view.corpus.crops[row].box for row in view.rows]
    fields = [cosines_of(view.features.patches(row), vector, mean)[..., None] for row in view.rows]
    grids = [header.grid(box.size) for box in boxes]
    return np.ascontiguousarray(blend.canvas(fields, grids, boxes, image=view.image.size, out=out)[..., 0])


@dataclass(frozen=True, slots=True)
class Place:
    """A patch that was found."""

    image: int
    crop: int
    box: Box
    """Its pixels of the image."""
    cosine: float


def similar_places(
    vector: Float32, mean: Float32, store: FeatureStore, corpus: Corpus, valid: Valid, *, k: int
) -> list[Place]:
    """The patches that are most like a vector, the most similar first; at most two of a scene, none twice.

    A scene is an image, or a part of a mosaic; where crops overlap, the same place comes once.

    Args:
        vector: (d,) unit.
        mean: (d,) what is taken away from features.
        store: of the corpus.
        corpus: the images.
        valid: which patches of the store show image; crops are looked at one after the other.
        k: how many at most.
    """
    found = list[Place]()
    for row in valid.crops.tolist():
        crop, grid = corpus.crops[row], store.header.grid(corpus.crops[row].box.size)
        shown = valid(np.array([row]))[0, : grid.rows, : grid.cols]
        cosines = np.where(shown, fast_cosines(store.patches(row), vector, mean), -np.inf)
        for _ in range(2):
            at = divmod(int(cosines.argmax()), cosines.shape[1])
            if not np.isfinite(cosines[at]):
                break
            part = grid.patch_box(*at)
            box = Box(crop.box.top + part.top, crop.box.left + part.left, part.height, part.width)
            found.append(Place(crop.image, row, box, float(cosines[at])))
            cosines[max(0, at[0] - 2) : at[0] + 3, max(0, at[1] - 2) : at[1] + 3] = -np.inf
        if len(found) > 16 * k + 64:
            found = _best_places(found, corpus, k)
    return _best_places(found, corpus, k)


def _best_places(found: list[Place], corpus: Corpus, k: int) -> list[Place]:
    kept, scenes = list[Place](), dict[int, int]()
    boxes = dict[int, list[Box]]()
    for place in sorted(found, key=lambda each: (-each.cosine, each.crop)):
        scene = int(corpus.groups[place.crop])
        others = boxes.setdefault(place.image, [])
        if scenes.get(scene, 0) < 2 and not any(_overlap(place.box, other) for other in others):
            kept.append(place)
            others.append(place.box)
            scenes[scene] = scenes.get(scene, 0) + 1
            if len(kept) == k:
                break
    return kept


def _overlap(one: Box, other: Box) -> bool:
    rows = min(one.bottom, other.bottom) > max(one.top, other.top)
    return rows and min(one.right, other.right) > max(one.left, other.left)
