"""Suggestions of points: where a label would tell most, least certain places of each class, far from others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.commands.view.index_tiles import NODATA, IndexTiles
from segpipe.commands.view.live_state import naming_of
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.commands.view.point_file import PointFile
from segpipe.records.class_names import called
from segpipe.records.legend import Legend

_SIDE = 256  # pixels of a mask that is looked at
_APART = 0.08  # of the longer side, between points
_SMOOTH = 9  # pixels over which doubt is averaged: a border of one pixel tells nothing


def suggest(run: OpenedRun, tiles: IndexTiles, points: PointFile, k: int) -> dict[str, Any]:
    """At most `k` places, those of classes with few points first.

    Raises:
        SegpipeError: masks, names or points are missing or damaged.
    """
    naming, clusters = naming_of(run), run.mask_clusters
    legend = naming.legend(clusters)
    there = points.read()
    named = Counter(point.label for point in there)
    images = candidates(run, legend, named, k)
    taken = defaultdict[int, list[tuple[float, float]]](list)
    for point in there:
        if point.image is not None:
            taken[point.image].append((point.row, point.col))
    roots = {place: int(np.flatnonzero(legend.classes_of == place)[0]) for place in range(legend.classes)}
    found = list[dict[str, Any]]()
    for image, place in images:
        values, margin, scale = tiles.reduced(image, _SIDE)
        inside = legend.classes_of[np.where(values == NODATA, 0, values)] == place
        spot = best_spot(inside & (values != NODATA), margin, [(r / scale, c / scale) for r, c in taken[image]])
        if spot is None:
            continue
        size = run.corpus.images[image].size
        row, col = (
            min(at * scale + scale // 2, length - 1) for at, length in zip(spot, (size.height, size.width), strict=True)
        )
        taken[image].append((row, col))
        name = legend.names[place] if legend.named else called(roots[place], "")
        sure = "in the middle of" if margin is None else "among the least certain of"
        few = "no point yet" if not named[name] else f"{named[name]} points so far"
        found.append({"image": image, "row": row, "col": col, "why": f"{sure} {name}, {few}"})
        if len(found) == k:
            break
    return {"places": found}


def candidates(run: OpenedRun, legend: Legend, named: Mapping[str, int], k: int) -> list[tuple[int, int]]:
    """Images and the class that each is to tell of, in turns over the classes; those with fewest points first."""
    by_class = defaultdict[int, list[tuple[float, int]]](list)
    for number, image in enumerate(run.corpus.images):
        entry = run.mask_index.get(image.id)
        if entry is None:
            continue
        total = max(1, sum(entry["pixels"].values()))
        amounts = defaultdict[int, float](float)
        for cluster, count in entry["pixels"].items():
            doubt = 1 - entry["margin"].get(cluster, 0.0) if "margin" in entry else 1.0
            amounts[int(legend.classes_of[int(cluster)])] += doubt * count / total
        for place, amount in amounts.items():
            if place >= 0:
                by_class[place].append((-amount, number))
    order = sorted(by_class, key=lambda place: (named.get(legend.names[place], 0), place))
    ranked = {place: [number for _, number in sorted(by_class[place])] for place in order}
    turns = max(map(len, ranked.values()), default=0)
    rows = [(ranked[place][turn], place) for turn in range(turns) for place in order if turn < len(ranked[place])]
    return rows[: 4 * k]


def best_spot(
    inside: npt.NDArray[np.bool_], margin: npt.NDArray[np.uint8] | None, points: Sequence[tuple[float, float]]
) -> tuple[int, int] | None:
    """The place of a class where a label tells most: little margin around it, no border and no point near.

    Args:
        inside: (h, w) pixels of the class.
        margin: (h, w) 0 to 255; None where it was not made.
        points: rows and columns of those there are.

    Returns:
        Row and column; None where all of the class is near to points.
    """
    depth = cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    worth = np.minimum(depth, _SMOOTH)
    if margin is not None:
        doubt = 1 - cv2.blur(margin.astype(np.float32), (_SMOOTH, _SMOOTH)) / 255
        worth = worth * (0.05 + doubt)
    worth = np.where(inside, worth, 0)
    rows, cols = np.ogrid[: inside.shape[0], : inside.shape[1]]
    reach = _APART * max(inside.shape)
    for row, col in points:
        worth = np.where((rows - row) ** 2 + (cols - col) ** 2 < reach**2, 0, worth)
    best = int(worth.argmax())
    if worth.flat[best] <= 0:
        return None
    return best // inside.shape[1], best % inside.shape[1]
