"""Films of a run without labels: how many pixels keep their class along the optical flow, and temporal profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.images.corpus_reader import read_original, read_reduced
from segpipe.images.frames import difference, look_of
from segpipe.images.sequences import FrameSequence, sequences_of
from segpipe.inference.class_gallery import GalleryInputs
from segpipe.ops.metrics.flow_consistency import FlowScore, Kept, count_kept, optical_flow, score_kept, trusted
from segpipe.plots.temporal_profile import Profile, Rgb, column_of
from segpipe.records.legend import Mask
from segpipe.store import masks

PAIRS, ALL_PAIRS = 120, 480
"""Most pairs of frames compared of a film, and of all films together, but ten of each."""
COLUMNS, PROFILES = 300, 12
"""Most frames in a temporal profile, and most films that have one."""
LEAST = 4
"""Frames of a film that is looked at: its chance level needs frames of another time."""
CUT = 27.0
"""By how much two frames differ where one scene ends and another begins, as of `images.frames.difference`."""
_SIDE = 512  # pixels along the longer side at which flow is computed
_FEWEST = 10  # pairs of a film, however many films there are


@dataclass(frozen=True, slots=True)
class FilmLook:
    """What was seen of one film."""

    name: str
    frames: int
    pairs: int
    """Of frames that follow each other, compared."""
    cuts: int
    """Pairs left out because one scene ends and another begins between them."""
    flow: FlowScore
    profile: Profile | None
    """None for films beyond the first ones."""

    def told(self, picture: str) -> dict[str, Any]:
        """What films.json says of it; `picture` is the file of its profile, empty for none."""
        known = {"film": self.name, "frames": self.frames, "pairs": self.pairs, "cuts": self.cuts}
        return {**known, "flow": asdict(self.flow), "profile": picture}


def look_at_films(inputs: GalleryInputs, runtime: Runtime) -> list[FilmLook]:
    """Compare frames that follow each other, and take profiles; what is read of a film is bounded.

    Raises:
        CorpusError: a frame is gone, or is not the one that was indexed.
    """
    films = [film for film in sequences_of(inputs.corpus) if len(film.images) >= LEAST]
    each = min(PAIRS, max(_FEWEST, ALL_PAIRS // max(1, len(films))))
    return [
        _look(inputs, film, runtime, pairs=each, columns=COLUMNS if place < PROFILES else 0)
        for place, film in enumerate(films)
    ]


def _look(inputs: GalleryInputs, film: FrameSequence, runtime: Runtime, *, pairs: int, columns: int) -> FilmLook:
    places = spread(len(film.images) - 1, pairs)
    compared = thread_map(
        partial(_compare, inputs, film.images), places, workers=runtime.workers, ahead=runtime.workers
    )
    found = list(runtime.track(compared, total=len(places), unit=f"pairs of frames of {film.name}"))
    kept = sum((pair for pair in found if pair is not None), Kept())
    return FilmLook(
        film.name,
        len(film.images),
        pairs=sum(pair is not None for pair in found),
        cuts=sum(pair is None for pair in found),
        flow=score_kept(kept),
        profile=_profile(inputs, film, runtime, columns=columns) if columns else None,
    )


def _profile(inputs: GalleryInputs, film: FrameSequence, runtime: Runtime, *, columns: int) -> Profile:
    places = spread(len(film.images), columns)
    shown = [film.images[i] for i in places]
    taken = thread_map(partial(_columns, inputs), shown, workers=runtime.workers, ahead=runtime.workers)
    strips = list(runtime.track(taken, total=len(shown), unit=f"frames of {film.name}"))
    moments = [moment.seconds for i in shown if (moment := inputs.corpus.images[i].moment) is not None]
    return Profile(strips, moments, "seconds of the film") if moments else Profile(strips, places, "frame")


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly spread.

    >>> spread(3, 10), spread(10, 3), spread(10, 0)
    ([0, 1, 2], [0, 4, 9], [])
    """
    if count <= most:
        return list(range(count))
    return np.linspace(0, count - 1, most).astype(int).tolist() if most else []


def _compare(inputs: GalleryInputs, images: Sequence[int], place: int) -> Kept | None:
    """A frame and the next one; None where a scene ends between them, or the film changes its size."""
    one, other = (inputs.corpus.images[images[place + step]] for step in (0, 1))
    elsewhen = images[(place + len(images) // 2) % len(images)]
    size = one.size.fit(_SIDE)
    if one.size != other.size:
        return None
    pictures = [read_reduced(inputs.corpus, image, size) for image in (one, other)]
    if difference(*map(look_of, pictures)) >= CUT:
        return None
    forward, backward = optical_flow(*pictures), optical_flow(*reversed(pictures))
    maps = [
        inputs.legend.read(masks.read_reduced(inputs.masks, inputs.index[i], size))
        for i in (images[place], images[place + 1], elsewhen)
    ]
    return count_kept(forward, trusted(forward, backward), *maps, nodata=inputs.legend.nodata)


def _columns(inputs: GalleryInputs, image: int) -> tuple[Mask, Rgb]:
    shown = inputs.corpus.images[image]
    classes = inputs.legend.read(masks.read_part(inputs.masks, inputs.index[image]))
    return column_of(classes), column_of(read_original(inputs.corpus, shown).rgb)
