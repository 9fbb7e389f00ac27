"""Even samples of what was found: a preview, so that a whole run takes minutes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from segpipe.images.validate import Item
from segpipe.records.corpus import Rejected


def sample_evenly(items: Iterable[Item | Rejected], *, total: int, count: int) -> Iterator[Item | Rejected]:
    """Some of the files and frames in their order, evenly spread; files that were skipped pass as they are.

    Args:
        items: as of `find_images`. Frames of a video are decoded one after the other, those that are not taken too.
        total: how many files and frames there are, or about.
        count: how many to take; all where there are no more.
    """
    places, position = even_places(total, count), 0
    for item in items:
        if isinstance(item, Rejected) or position in places:
            yield item
        position += not isinstance(item, Rejected)


def even_places(total: int, count: int) -> set[int]:
    """The middle places of `count` parts of even length; all places where there are no more.

    >>> sorted(even_places(10, 3)), even_places(2, 3)
    ([1, 5, 8], {0, 1})
    """
    if count >= total:
        return set(range(total))
    return {(2 * part + 1) * total // (2 * count) for part in range(count)}
