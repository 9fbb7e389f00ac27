import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segpipe.ops.crf import permutohedral_loops as build


@given(st.sets(st.integers(-(2**62), 2**62)), st.data())
def test_two_sorted_arrays_are_merged_in_any_ranges(numbers: set[int], data: st.DataObject) -> None:
    one = data.draw(st.sets(st.sampled_from(sorted(numbers)))) if numbers else set()
    halves = [np.array(sorted(half), np.int64) for half in (one, numbers - one)]
    cuts = sorted({0, len(numbers), *data.draw(st.lists(st.integers(0, len(numbers)), max_size=4))})
    out = np.zeros(len(numbers), np.int64)
    for first, last in itertools.pairwise(cuts):
        build.merge(*halves, out, first, last)
    assert out.tolist() == sorted(numbers)
