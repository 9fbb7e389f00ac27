import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.records.scores import Confusion, confusion_of, join


@given(st.lists(st.lists(st.integers(0, 5), min_size=6, max_size=6), min_size=1, max_size=4))
def test_joined_counts_add_up(tables):
    arrays = [np.array(table, np.int64).reshape(2, 3) for table in tables]
    joined = join([join([confusion_of(array)]) for array in arrays])
    assert np.array_equal(joined.total(), sum(arrays))
    assert (joined.images, joined.classes, joined.clusters) == (len(tables), 2, 2)
    assert joined.pixels == sum(array.sum() for array in arrays)
    for i, array in enumerate(arrays):
        assert joined.count[joined.image == i].sum() == array.sum()


def test_impossible_counts_are_refused():
    one = np.ones(1, np.int64)
    with pytest.raises(ValueError, match="label must lie in 0 to 0"):
        Confusion(1, 1, 1, 0 * one, one, one, one)
    with pytest.raises(ValueError, match="positive"):
        Confusion(1, 1, 1, 0 * one, 0 * one, one, 0 * one)
    with pytest.raises(ValueError, match=r"image must be \(1,\)"):
        Confusion(1, 1, 1, np.zeros(2, np.int64), 0 * one, one, one)
    with pytest.raises(ValueError, match="same classes"):
        join([confusion_of(np.ones((1, 2), np.int64)), confusion_of(np.ones((1, 3), np.int64))])
