"""Tracks against the objects of label masks: J, F and J&F of DAVIS.

Nobody says which track is which object, so two are compared with each object. The best one overlaps it most over the
film: an upper bound, for the truth chooses it. The first one holds most of its pixels in the first frame in which it is
labelled: what a person would pick there by a click.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.commands.track.follow import FrameLine
from segpipe.ops.metrics.video_objects import ObjectScore, score_object
from segpipe.store.masks import read_mask

Mask = npt.NDArray[np.integer]
Pair = tuple[Path, Path]
"""A label mask and the mask of tracks of the same frame."""

_UNLABELLED = (255, 65535)


@dataclass(frozen=True, slots=True)
class TrackScore:
    """One object of the labels."""

    value: int
    """Of its pixels."""
    best: int
    """The track that overlaps it most over the film; 0: none does."""
    best_score: ObjectScore
    first: int
    """The track that holds most of it in the first frame in which it is labelled; 0: none does."""
    first_score: ObjectScore


def score_tracks(lines: Iterable[FrameLine], labels: Path, mask_of: Callable[[int], Path]) -> list[TrackScore]:
    """Compare tracks with the labels of a folder. As DAVIS does, the first and the last labelled frame do not count.

    Args:
        lines: of the journal.
        labels: folder of index PNGs named like the frames of a folder, or ending in the number of a film's frame.
        mask_of: from a frame's number to its mask.

    Raises:
        UsageError: no such folder, fewer than three frames have labels, or a label mask is damaged or of another size.
    """
    if not labels.is_dir():
        raise UsageError(f"{named('labels', labels)} is not a folder; name one of index PNGs, one a frame")
    by_name, by_number = _listed(labels)
    pairs = []
    for line in lines:
        stem = line.name.rsplit("/", 1)[-1]
        found = by_name.get(stem) or by_number.get(line.frame)
        if found is not None:
            pairs.append((found, mask_of(line.frame)))
    if len(pairs) < 3:
        raise UsageError(
            f"{named('labels', labels)}: {len(pairs)} frames have a label mask there, and 3 are needed; name them "
            "like their frames, such as 000012.png"
        )
    first, shared, areas, sizes = _overlaps(pairs)
    return [_score(value, pairs, first[value], shared, areas, sizes) for value in sorted(first)]


def _listed(folder: Path) -> tuple[dict[str, Path], dict[int, Path]]:
    """Label masks by stem, and by the number in which the stem ends."""
    files = sorted(folder.rglob("*.png"))
    numbers: dict[int, Path] = {}
    for path in files:
        found = re.search(r"(\d+)$", path.stem)
        if found:
            numbers.setdefault(int(found[1]), path)
    return {path.stem: path for path in files}, numbers


Counts = dict[tuple[int, int], list[int]]


def _read(pair: Pair) -> tuple[Mask, Mask]:
    truth, found = read_mask(pair[0]), read_mask(pair[1])
    if truth.shape != found.shape:
        raise UsageError(
            f"{pair[0]}: {truth.shape[1]} x {truth.shape[0]} pixels, the frame {found.shape[1]} x {found.shape[0]}; "
            "label masks must have the size of the frames"
        )
    return truth, found


def _overlaps(pairs: Sequence[Pair]) -> tuple[dict[int, int], dict[tuple[int, int], dict[int, int]], Counts, Counts]:
    """Of each object its first track; pixels by frame shared by object and track, of objects, of tracks."""
    first: dict[int, int] = {}
    shared: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    areas: Counts = defaultdict(list)
    sizes: Counts = defaultdict(list)
    for place, pair in enumerate(pairs):
        truth, found = _read(pair)
        values, counts = np.unique(
            truth.astype(np.int64).ravel() << 20 | found.astype(np.int64).ravel(), return_counts=True
        )
        for joint, count in zip(values.tolist(), counts.tolist(), strict=True):
            value, track = joint >> 20, joint & 0xFFFFF
            areas[place, value].append(count)
            sizes[place, track].append(count)
            if value and value not in _UNLABELLED:
                shared[value, track][place] = count
        for value in {joint >> 20 for joint in values.tolist()} - {0, *_UNLABELLED} - first.keys():
            inside = {track: pixels[place] for (v, track), pixels in shared.items() if v == value and place in pixels}
            held = {track: count for track, count in inside.items() if track}
            first[value] = max(held, key=lambda track: held[track]) if held else 0
    return first, shared, areas, sizes


def _score(
    value: int,
    pairs: Sequence[Pair],
    first: int,
    shared: dict[tuple[int, int], dict[int, int]],
    areas: Counts,
    sizes: Counts,
) -> TrackScore:
    inner = range(1, len(pairs) - 1)
    means: dict[int, float] = {}
    for track in {track for v, track in shared if v == value and track}:
        both = [shared[value, track].get(place, 0) for place in inner]
        union = [sum(areas[place, value]) + sum(sizes[place, track]) - both[i] for i, place in enumerate(inner)]
        means[track] = sum(b / u if u else 1.0 for b, u in zip(both, union, strict=True)) / len(inner)
    best = max(means, key=lambda track: (means[track], -track)) if means else 0
    done = {track: _score_one(value, track, pairs[1:-1]) for track in {best, first}}
    return TrackScore(value, best, done[best], first, done[first])


def _score_one(value: int, track: int, pairs: Sequence[Pair]) -> ObjectScore:
    """Scores of one object and one track; track 0 is none, and its mask is empty."""
    masks = (_read(pair) for pair in pairs)
    return score_object((truth == value, (found == track) & (found > 0)) for truth, found in masks)
