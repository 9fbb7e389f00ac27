"""Cover of films over time: the share of each class in every second, and in the whole film, with intervals by scenes.

Frames that follow each other show nearly the same, so what is drawn again for an interval are scenes (`Corpus.shots`),
as everywhere in `cover`. A second that holds one scene alone has no interval; the film as a whole has one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segpipe.images.sequences import films_of
from segpipe.ops.metrics.doubt import FEW
from segpipe.records.corpus import Corpus
from segpipe.records.film_cover import FilmCover, Shares, Span
from segpipe.stages.cover import estimators as estimate

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_INSTANT = 1e-6  # seconds: of frames that are shown for no time at all


def films_over_time(corpus: Corpus, amounts: Float64, *, step: float, draws: int, seed: int) -> list[FilmCover]:
    """Cover over time of every film of a corpus; none where it has no video.

    Args:
        corpus: the images.
        amounts: (images, classes) what shares are made of.
        step: seconds of a span.
        draws: behind the intervals.
        seed: of the draws.
    """
    shots = corpus.shots
    found = []
    for film in films_of(corpus):
        own = np.array(film.images, np.int64)
        moments = [moment for i in film.images if (moment := corpus.images[i].moment) is not None]
        starts = np.array([moment.seconds for moment in moments])
        lasts = np.array([moment.lasts for moment in moments])
        places = np.floor(starts / step).astype(np.int64)
        within = np.minimum(lasts, (places + 1) * step - starts)
        drawn = {"draws": draws, "seed": seed}
        spans = []
        for place in np.unique(places).tolist():
            rows = places == place
            spans.append(_span(place * step, amounts[own[rows]], within[rows], shots[own[rows]], **drawn))
        whole = _span(float(starts[0]), amounts[own], lasts, shots[own], **drawn)
        end = float(starts[-1] + lasts[-1])
        found.append(FilmCover(film=film.name, step=step, seconds=end, spans=spans, whole=whole, note=_doubt(whole)))
    return found


def _span(second: float, amounts: Float64, weights: Float64, shots: Int64, *, draws: int, seed: int) -> Span:
    """Shares of frames (n, classes) that count by `weights` (n,), with intervals by resampling scenes."""
    numbers, take = np.unique(shots, return_inverse=True)
    own = np.zeros((len(numbers), amounts.shape[1]), np.float64)
    np.add.at(own, take, amounts * np.maximum(weights, _INSTANT)[:, None])
    ends = estimate.bootstrap_shares(own, draws=draws, seed=seed)
    low, high = ([], []) if ends is None else map(_listed, ends)
    shares = _listed(estimate.shares(own))
    return Span(second=second, frames=len(shots), scenes=len(numbers), shares=shares, low=low, high=high)


def _listed(values: Float64) -> Shares:
    return [float(value) if np.isfinite(value) else None for value in values]


def _doubt(whole: Span) -> str:
    if not whole.low:
        return "one scene: no interval" if any(share is not None for share in whole.shares) else "no pixel with a class"
    return f"{whole.scenes} scenes: rough intervals" if whole.scenes < FEW else ""


def rows_over_time(films: Sequence[FilmCover], classes: Sequence[str]) -> list[list[object]]:
    """Lines of time.csv: a film's seconds, each with its classes, then the whole film, whose second is empty."""
    return [
        [film.film, "" if span is film.whole else span.second, k, name, *_ends(span, k), span.frames, span.scenes, note]
        for film in films
        for span in (*film.spans, film.whole)
        for note in [film.note if span is film.whole else "" if span.low else "one scene: no interval"]
        for k, name in enumerate(classes)
    ]


def _ends(span: Span, k: int) -> list[float | None]:
    return [span.shares[k], span.low[k] if span.low else None, span.high[k] if span.high else None]
