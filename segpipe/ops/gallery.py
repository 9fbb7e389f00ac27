"""What to show of a run: the best patches of each class, images along a scale, features as three colors."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.records.clusters import ClusterModel
from segpipe.records.gallery import Patch, TopImage

Float = npt.NDArray[np.floating]
Float32 = npt.NDArray[np.float32]


def assign(
    codes: Float, centers: Float32, members: npt.NDArray[np.integer] | None = None
) -> tuple[npt.NDArray[np.int64], Float32]:
    """The class of the nearest center of every code by cosine.

    Args:
        codes: (..., dim), any length.
        centers: (F, dim) unit rows.
        members: (F,) class of each center; None where every center is a class of its own.

    Returns:
        Classes (...) and cosines to their centers (...); a code of length zero has cosine 0.
    """
    length = np.linalg.norm(codes, axis=-1, keepdims=True)
    cosines = np.asarray(codes / np.maximum(length, 1e-12), np.float32) @ centers.T
    nearest = cosines.argmax(axis=-1)
    return nearest if members is None else np.asarray(members[nearest], np.int64), cosines.max(axis=-1)


def assign_parts(codes: Float, model: ClusterModel) -> tuple[npt.NDArray[np.int64], Float32]:
    """The cluster of every code (..., dim), those of split ones by their parts; and cosines to what it belongs to."""
    labels, cosines = assign(codes, model.centers, model.members)
    labels = labels.copy()
    for split in model.splits:
        inside = labels == split.cluster
        parts, cosines[inside] = assign(codes[inside], split.centers, split.members)
        labels[inside] = split.numbers[parts]
    return labels, cosines


class BestPatches:
    """Keeps the best patches of each class while crops pass by; memory does not grow with their number.

    A scene (an image, or a part of a mosaic) gives at most two patches to a class, and a second one only where others
    do not fill the places.
    """

    def __init__(self, classes: int, keep: int, groups: npt.NDArray[np.int64] | None = None) -> None:
        self._keep = keep
        self._groups = groups  # of every crop; None: an image is a scene
        self._kept: list[list[Patch]] = [[] for _ in range(classes)]

    def add(
        self,
        labels: npt.NDArray[np.integer],
        cosines: Float,
        valid: npt.NDArray[np.bool_],
        *,
        image: int,
        crop: int,
    ) -> None:
        """Offer the patches of one crop.

        Args:
            labels: (rows, cols) classes.
            cosines: (rows, cols) to the centers of these classes.
            valid: (rows, cols) patches that show image.
            image: index of the image, patches of one image compete with each other.
            crop: index of the crop.
        """
        for label in np.unique(labels[valid]).tolist():
            inside = np.where(valid & (labels == label), cosines, -np.inf)
            found = list[Patch]()
            for _ in range(2):
                row, col = divmod(int(inside.argmax()), inside.shape[1])
                if inside[row, col] == -np.inf:
                    break
                found.append(Patch(image, crop, row, col, float(inside[row, col])))
                inside[max(0, row - 2) : row + 3, max(0, col - 2) : col + 3] = -np.inf  # the second one lies elsewhere
            self._kept[label] = self._best(self._kept[label] + found)

    def best(self) -> list[list[Patch]]:
        """For each class its best patches, highest cosine first."""
        return self._kept

    def _best(self, patches: list[Patch]) -> list[Patch]:
        first, second, seen = list[Patch](), list[Patch](), Counter[int]()
        for patch in sorted(patches, key=attrgetter("cosine"), reverse=True):
            scene = patch.image if self._groups is None else int(self._groups[patch.crop])
            seen[scene] += 1
            if seen[scene] <= 2:
                (first if seen[scene] == 1 else second).append(patch)
        return sorted((first + second)[: self._keep], key=attrgetter("cosine"), reverse=True)


def by_share(parts: Sequence[Sequence[Patch]], weights: Sequence[int], keep: int) -> list[Patch]:
    """The patches of a class of several clusters: of each as many as its share of them, of every one that has some.

    Args:
        parts: the best patches of each cluster, highest cosine first.
        weights: how large the clusters are.
        keep: patches wanted; one of every cluster comes first, the largest first.

    Returns:
        At most `keep` patches, highest cosine first.
    """
    order = [k for k in sorted(range(len(parts)), key=lambda k: -weights[k]) if parts[k]]
    taken = dict.fromkeys(order[:keep], 1)
    while sum(taken.values()) < keep:
        open_ = [k for k in order if taken[k] < len(parts[k])]
        if not open_:
            break
        taken[max(open_, key=lambda k: weights[k] / (taken[k] + 0.5))] += 1  # Sainte-Lague
    chosen = [patch for k, count in taken.items() for patch in parts[k][:count]]
    return sorted(chosen, key=attrgetter("cosine"), reverse=True)


def along_scale(values: Float, count: int) -> dict[str, list[int]]:
    """Choose indices at the bottom, the middle and the top of a scale.

    Args:
        values: (n,) larger is better.
        count: how many to choose, at least 1.

    Returns:
        `worst`, `median` and `best`, each in ascending order, no index twice, a third of `count` each and the
        remainder to the median; or, where `n` is at most `count`, everything under `all`.
    """
    order = np.argsort(values, kind="stable").tolist()
    if len(order) <= count:
        return {"all": order}
    end = count // 3
    middle = count - 2 * end
    start = (len(order) - middle) // 2
    groups = {"worst": order[:end], "median": order[start : start + middle], "best": order[len(order) - end :]}
    return {name: group for name, group in groups.items() if group}


def choose_crops(
    images_per_class: list[list[int]],
    crops_of: tuple[range, ...],
    *,
    count: int,
    seed: int,
    mosaics: Sequence[int] = (),
) -> list[tuple[int, int]]:
    """Choose at most `count` crops of a corpus to look at, in the order of the corpus.

    First come the crops of the images that matter most to each class (so that no rare class is missed), at most
    four of an image; the places left are filled with random crops of random images.

    Args:
        images_per_class: for each class the images where it covers most.
        crops_of: for each image the range of its crops.
        count: how many crops at most; the images of `images_per_class` come in turns, class by class.
        seed: of the random choice.
        mosaics: images of which any number of crops may fill the places that are left at last.

    Returns:
        Pairs (image, crop).
    """
    rng = np.random.default_rng(seed)
    total = sum(map(len, crops_of))
    if total <= count:
        return [(image, crop) for image, crops in enumerate(crops_of) for crop in crops]
    chosen = set[tuple[int, int]]()
    for rank in range(max(map(len, images_per_class), default=0)):
        for images in images_per_class:
            if rank < len(images) and len(chosen) < count:
                crops = crops_of[images[rank]]
                some = rng.choice(len(crops), min(4, len(crops), count - len(chosen)), replace=False)
                chosen.update((images[rank], crops[i]) for i in some.tolist())
    for image in rng.permutation(len(crops_of)).tolist():
        if len(chosen) >= count:
            break
        chosen.add((image, int(rng.choice(crops_of[image]))))
    rest = [(image, crop) for image in mosaics for crop in crops_of[image] if (image, crop) not in chosen]
    chosen.update(rest[i] for i in rng.permutation(len(rest))[: count - len(chosen)].tolist())
    return sorted(chosen)


@dataclass(frozen=True, slots=True)
class ColorAxes:
    """Three directions of a feature space that become red, green and blue."""

    mean: Float32
    """(d,)"""
    directions: Float32
    """(3, d) unit rows, zero where the features have fewer dimensions."""
    low: Float32
    """(3,) values that become 0."""
    high: Float32
    """(3,) values that become 255."""

    def paint(self, features: Float) -> npt.NDArray[np.uint8]:
        """Features (..., d) as RGB colors (..., 3)."""
        values = (np.asarray(features, np.float32) - self.mean) @ self.directions.T
        share = (values - self.low) / np.maximum(self.high - self.low, 1e-9)
        return np.asarray(np.clip(np.rint(255 * share), 0, 255), np.uint8)


def color_axes(features: Float) -> ColorAxes:
    """The first three principal components of features (n, d); the middle 96% of each fills its color's range."""
    x = np.asarray(features, np.float64)
    mean = x.mean(axis=0)
    _, vectors = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    directions = np.zeros((3, x.shape[1]))
    top = vectors[:, ::-1][:, :3].T
    # a component has no sign of its own: its largest entry is made positive, so that pages can be compared
    signs = np.sign(top[np.arange(len(top)), np.abs(top).argmax(axis=1)])
    directions[: len(top)] = top * signs[:, None]
    low, high = np.percentile((x - mean) @ directions.T, (2, 98), axis=0)
    return ColorAxes(*(np.asarray(part, np.float32) for part in (mean, directions, low, high)))


def top_images(index: Iterable[Mapping[str, Any]], *, classes: int, keep: int) -> list[list[TopImage]]:
    """For each class the images where it covers most, largest share first.

    Args:
        index: one entry per image with `pixels` (class to count), as the masks' index holds them; shares are of all
            that are `seen`, so that the border of a mosaic counts nowhere.
        classes: number of classes.
        keep: images per class at most.
    """
    heaps: list[list[tuple[float, int]]] = [[] for _ in range(classes)]
    for image, entry in enumerate(index):
        seen = entry.get("seen") or sum(entry["pixels"].values())
        for name, count in entry["pixels"].items():
            heapq.heappush(heaps[int(name)], (count / seen, -image))
            if len(heaps[int(name)]) > keep:
                heapq.heappop(heaps[int(name)])
    return [[TopImage(-image, share) for share, image in sorted(heap, reverse=True)] for heap in heaps]
