"""Over time: J and F of each class, and VC8 and VC16, where labelled images are frames of a film."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.images.sequences import FrameSequence, films_of, sequences_of
from segpipe.labels.ground_truth import Truth
from segpipe.ops.metrics.video_consistency import WINDOWS, Consistency, video_consistency
from segpipe.ops.metrics.video_objects import compare_masks
from segpipe.records.corpus import Corpus
from segpipe.records.film_scores import FilmScores, RegionBoundary, Steadiness, VideoScores
from segpipe.records.palette import nodata
from segpipe.store.masks import read_part

log = logging.getLogger(__name__)

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Map = npt.NDArray[np.int32]
Frame = tuple[Map, Map, npt.NDArray[np.bool_]]
"""Of a frame labels, clusters, negative where there is none, and where the cluster is matched with the label."""


@dataclass(frozen=True, slots=True)
class LabelledFilms:
    """The films of a run, and how their frames are read."""

    corpus: Corpus
    truth: Truth
    masks: Path
    matching: Int64
    """(clusters,) label of each cluster, negative for none."""
    seed: int

    def labels(self, index: int) -> Map:
        """The label map of a frame (height, width), negative where nothing is labelled."""
        source = self.truth.sources[index]
        assert isinstance(source, Path)
        return self.truth.reader(source, self.corpus.images[index])

    def clusters(self, index: int) -> Map:
        """The mask of a frame (height, width), negative where it has no data."""
        image, clusters = self.corpus.images[index], len(self.matching)
        mask = read_part(self.masks, {"id": image.id, "height": image.size.height, "width": image.size.width})
        return np.where(mask == nodata(clusters), np.int32(-1), mask.astype(np.int32))

    def matched(self, clusters: Map) -> Map:
        """Clusters (height, width) as labels, negative where they are matched with none."""
        return np.append(self.matching, -1).astype(np.int32)[clusters]


def score_films(
    corpus: Corpus, truth: Truth, masks: Path, matching: Int64, runtime: Runtime, *, seed: int
) -> VideoScores | None:
    """J, F and VC of every film with label maps.

    Args:
        corpus: the images.
        truth: their labels; those that are points are not looked at.
        masks: `masks/` of the run.
        matching: (clusters,) label of each cluster, negative for none.
        runtime: workers and progress.
        seed: of the order of frames by chance.

    Returns:
        None where no image with a label map is a frame of a film.

    Raises:
        UsageError: a label map or a mask cannot be read.
    """
    mapped = {index for index, source in truth.sources.items() if isinstance(source, Path)}
    if not mapped:
        return None
    films = LabelledFilms(corpus, truth, masks, matching, seed)
    scored = [_score_film(films, film, own, runtime) for film in _films(corpus) if (own := _own(film, mapped))]
    if not scored:
        return None
    windows = [[vc for _, found in scored if (vc := found[place]) is not None] for place in range(len(WINDOWS))]
    return VideoScores(
        films=[film for film, _ in scored],
        mean=_mean([film.mean for film, _ in scored]),
        **{f"vc{length}": _pooled(found) for length, found in zip(WINDOWS, windows, strict=True)},
    )


def _films(corpus: Corpus) -> list[FrameSequence]:
    """The films of a corpus; where numbered pictures are gone, which scores do without, its videos alone."""
    try:
        return sequences_of(corpus)
    except CorpusError as error:
        log.warning("whether numbered pictures are a film cannot be seen: %s", error)
        return films_of(corpus)


def _own(film: FrameSequence, mapped: set[int]) -> list[int]:
    return [index for index in film.images if index in mapped]


def _score_film(
    films: LabelledFilms, film: FrameSequence, own: Sequence[int], runtime: Runtime
) -> tuple[FilmScores, list[Steadiness | None]]:
    corpus, classes = films.corpus, films.truth.classes
    note = _why_no_consistency(films, film, own)
    rows: list[Float64] = []
    held = np.zeros(len(classes), np.bool_)

    def look(index: int) -> tuple[Frame, Float64, npt.NDArray[np.bool_]]:
        labels, clusters = films.labels(index), films.clusters(index)
        found = films.matched(clusters)
        return (labels, clusters, labels == found), *_compare(labels, found, classes=len(classes))

    def frames() -> Iterator[Frame]:
        looked = thread_map(look, own, workers=runtime.workers, ahead=runtime.workers)
        for frame, scores, present in runtime.track(looked, total=len(own), unit=f"frames of {film.name}"):
            rows.append(scores)
            np.logical_or(held, present, out=held)
            yield frame

    if note:
        for _ in frames():
            pass
        windows: list[Steadiness | None] = [None] * len(WINDOWS)
    else:
        found = video_consistency(frames())
        windows = _beside_chance(found, video_consistency(_shuffled(films, own)))
        missing = [f"VC{length}" for length, window in zip(WINDOWS, windows, strict=True) if window is None]
        note = f"no {' and no '.join(missing)}: {len(own)} frames are too few" if missing else ""
    means = np.mean(rows, axis=0)
    by_class = {name: _pair(*means[k]) for k, name in enumerate(classes) if held[k]}
    moments = [moment.seconds for i in film.images if (moment := corpus.images[i].moment) is not None]
    return FilmScores(
        film=film.name,
        frames=len(film.images),
        labelled=len(own),
        seconds_apart=float(np.median([b - a for a, b in pairwise(moments)])) if len(moments) > 1 else None,
        mean=_mean(list(by_class.values())),
        classes=by_class,
        **{f"vc{length}": window for length, window in zip(WINDOWS, windows, strict=True)},
        note=note,
    ), windows


def _why_no_consistency(films: LabelledFilms, film: FrameSequence, own: Sequence[int]) -> str:
    if len(own) < len(film.images):
        return f"no VC: labels are on {len(own)} of {len(film.images)} frames, and it takes them on every frame"
    if len({films.corpus.images[i].size for i in own}) > 1:
        return "no VC: the frames are of several sizes"
    return ""


def _compare(truth: Map, found: Map, *, classes: int) -> tuple[Float64, npt.NDArray[np.bool_]]:
    """J and F of each class (classes, 2), and which classes (classes,) the frame's labels hold."""
    labelled = truth >= 0
    scores, present = np.ones((classes, 2)), np.zeros(classes, np.bool_)
    for k in range(classes):
        true, got = truth == k, (found == k) & labelled
        present[k] = bool(true.any())
        if present[k] or got.any():  # else both are empty, which is right
            scores[k] = compare_masks(true, got)
    return scores, present


def _shuffled(films: LabelledFilms, own: Sequence[int]) -> Iterator[Frame]:
    """The frames with the class maps in an order drawn by chance."""
    order = np.random.default_rng(films.seed).permutation(own).tolist()
    for index, other in zip(own, order, strict=True):
        labels, clusters = films.labels(index), films.clusters(other)
        yield labels, clusters, labels == films.matched(clusters)


def _beside_chance(found: Sequence[Consistency], chance: Sequence[Consistency]) -> list[Steadiness | None]:
    return [
        Steadiness(windows=own.windows, steady=own.steady, right=own.right, chance=other.steady)
        if own.windows
        else None
        for own, other in zip(found, chance, strict=True)
    ]


def _pair(j: float, f: float) -> RegionBoundary:
    return RegionBoundary(j=float(j), f=float(f), jf=float(j + f) / 2)


def _mean(rows: Sequence[RegionBoundary]) -> RegionBoundary:
    return _pair(*np.mean([(row.j, row.f) for row in rows], axis=0))


def _pooled(parts: Sequence[Steadiness]) -> Steadiness | None:
    """The mean over the windows of several films."""
    if not parts:
        return None
    weights = [part.windows for part in parts]
    mean = partial(np.average, weights=weights)
    values = {name: float(mean([getattr(part, name) for part in parts])) for name in ("steady", "right", "chance")}
    return Steadiness(windows=sum(weights), **values)
