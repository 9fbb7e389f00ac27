"""An even sample of files and frames."""

from itertools import pairwise

import pytest

from segpipe.images.even_sample import even_places, sample_evenly
from segpipe.images.validate import Item
from segpipe.records.corpus import Rejected


@pytest.mark.parametrize(("total", "count"), [(1, 1), (10, 3), (10, 9), (10, 10), (7, 20), (10_412, 200)])
def test_places_are_as_many_as_asked_for_and_even(total: int, count: int) -> None:
    places = sorted(even_places(total, count))
    assert len(places) == min(total, count)
    assert 0 <= places[0] <= places[-1] < total
    gaps = {after - before for before, after in pairwise(places)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_what_was_skipped_passes_and_does_not_count() -> None:
    bad = Rejected("b", "damaged")
    items = [Item("a", "a"), bad, *(Item(str(i), str(i)) for i in range(5))]
    found = list(sample_evenly(items, total=6, count=2))
    assert found == [bad, items[2], items[5]]
