"""Which views of images of many channels a network sees: groups of three, or principal components."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.errors import UsageError, named
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.images.stacks import display_of
from segpipe.inference.extraction import read_cuts, sample_rows
from segpipe.ops.clustering.kmeans import Moments
from segpipe.records.band_view import BandView, choosing
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader

AUTO, PCA, ALL = "auto", "pca", "all"
_MOST_REST = 6
"""Channels besides the three that are shown up to which `auto` looks at all of them by threes."""
_CROPS = 64
_STEP = 7  # every seventh pixel of a crop
_FLAT = 0.5  # standard deviation, in steps of 8 bits, below which a component is rounding alone
_SPREAD = 3.0  # standard deviations that become 0 and 255, from the mean


def find_views(wanted: Sequence[str], corpus: Corpus, header: FeatureHeader, runtime: Runtime) -> tuple[BandView, ...]:
    """The views of a corpus that `extract.views` means; none where its images have no channels, or all go in at once.

    Args:
        wanted: items of the setting.
        corpus: gives the channels, and a fixed sample of crops where principal components are wanted.
        header: gives the patch grid of a crop.
        runtime: workers.

    Raises:
        UsageError: as `groups_of`, or the images have no channels to choose from.
        CorpusError: an image is gone or has changed.
    """
    if not corpus.channels:
        if tuple(wanted) != (AUTO,):
            raise UsageError(
                f"{named('extract.views', ','.join(wanted))}: the images are red, green and blue; name more bands with "
                f"index.bands, or leave {named('extract.views')} out"
            )
        return ()
    if tuple(wanted) == (ALL,):
        return ()
    sample: list[npt.NDArray[np.uint8]] = []
    if None in groups_of(wanted, corpus.channels):
        read = partial(_sample, corpus=corpus, header=header)
        rows = sample_rows(corpus)
        some = rows[:: -(-len(rows) // _CROPS)]
        sample = list(thread_map(read, some, workers=runtime.workers, ahead=2 * runtime.workers))
    return tuple(make_views(wanted, corpus.channels, sample))


def count_views(wanted: Sequence[str], channels: int) -> int:
    """How many times a network looks at an image, for an estimate; nothing is checked.

    >>> count_views(["auto"], 4), count_views(["auto"], 12), count_views(["pca", "B08"], 5), count_views(["all"], 5)
    (2, 2, 2, 1)
    """
    if not channels or tuple(wanted) == (ALL,):
        return 1
    return sum(len(_auto([str(i) for i in range(channels)])) if item == AUTO else 1 for item in wanted)


def _sample(row: int, corpus: Corpus, header: FeatureHeader) -> npt.NDArray[np.uint8]:
    """Some pixels (n, channels) of a crop, of patches that show image."""
    (item,) = read_cuts([row], corpus=corpus, header=header)
    shown = item.valid.repeat(header.patch, axis=0).repeat(header.patch, axis=1)
    return item.rgb[shown][::_STEP]


def groups_of(wanted: Sequence[str], channels: Sequence[str]) -> list[tuple[int, int, int] | None]:
    """The views that `extract.views` means: places of three channels, or None for principal components.

    `auto` is the three channels that are shown, and the others by threes, filled up with those that are shown; where
    they are more than six, their principal components with all others.

    Raises:
        UsageError: a channel is not there, or a group has another number of channels than one or three.

    >>> groups_of(["auto"], ["red", "green", "blue", "nir"])
    [(0, 1, 2), (3, 0, 1)]
    """
    found: list[tuple[int, int, int] | None] = []
    for item in wanted:
        if item == PCA:
            found.append(None)
        elif item == AUTO:
            found += _auto(channels)
        else:
            found.append(_group(item, channels, wanted))
    return found


def _auto(channels: Sequence[str]) -> list[tuple[int, int, int] | None]:
    a, b, c = display_of(channels)
    rest = [i for i in range(len(channels)) if i not in (a, b, c)]
    if len(rest) > _MOST_REST:
        return [(a, b, c), None]
    groups = [[*rest[i : i + 3], a, b] for i in range(0, len(rest), 3)]
    return [(a, b, c), *((group[0], group[1], group[2]) for group in groups)]


def _group(item: str, channels: Sequence[str], wanted: Sequence[str]) -> tuple[int, int, int]:
    folded = [name.casefold() for name in channels]
    names = [name.strip().casefold() for name in item.split("+")]
    missing = [name for name in names if name not in folded]
    if missing or len(names) not in (1, 3):
        what = f"there is no channel {missing[0]!r}" if missing else f"{item!r} is not one channel or three"
        raise UsageError(
            f"{named('extract.views', ','.join(wanted))}: {what}; the images have {', '.join(channels)}: write "
            f"groups such as {'+'.join([*channels, *channels, *channels][:3])}, or {AUTO}, {PCA}, {ALL}"
        )
    places = [folded.index(name) for name in names] * (3 // len(names))
    return places[0], places[1], places[2]


def make_views(
    wanted: Sequence[str], channels: Sequence[str], sample: Sequence[npt.NDArray[np.uint8]]
) -> list[BandView]:
    """The views that `extract.views` means, those of principal components learned from a sample.

    Args:
        wanted: items of the setting.
        channels: names of the images' channels.
        sample: pixels (n, channels), in pieces; asked for where principal components are wanted.

    Raises:
        UsageError: as `groups_of`.
    """
    views = []
    for places in groups_of(wanted, channels):
        if places is None:
            views.append(principal_view(sample, len(channels)))
        else:
            views.append(choosing("+".join(channels[i] for i in places), places, len(channels)))
    return views


def principal_view(sample: Sequence[npt.NDArray[np.uint8]], channels: int) -> BandView:
    """The first three principal components of pixels, three standard deviations to both sides as 0 and 255.

    What is missing is black: components without variance, or all where no pixel shows image.
    """
    count = sum(len(pixels) for pixels in sample)
    black = (0.0,) * channels
    if not count:
        return BandView(PCA, (black, black, black))
    moments = Moments(channels)
    with threadpool_limits(1):  # the same bits whatever the number of threads
        for pixels in sample:
            moments.add(pixels.astype(np.float32))
        mean, directions = moments.principal_components(min(3, channels))
    rows, offsets = [], []
    for direction in directions.astype(np.float64):
        squares = sum(float(np.square((pixels - mean) @ direction).sum()) for pixels in sample)
        spread = np.sqrt(squares / count)
        weights = direction * (127.5 / (_SPREAD * spread)) if spread > _FLAT else direction * 0
        rows.append(tuple(float(value) for value in weights))
        offsets.append(127.5 - float(weights @ mean) if spread > _FLAT else 0.0)
    while len(rows) < 3:
        rows.append(black)
        offsets.append(0.0)
    return BandView(PCA, (rows[0], rows[1], rows[2]), (offsets[0], offsets[1], offsets[2]))
