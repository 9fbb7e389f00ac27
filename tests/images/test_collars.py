import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from segpipe.images import collars
from segpipe.images.collars import Collar, fills


def plainly(marked: np.ndarray, least: int) -> np.ndarray:
    """Areas of the whole picture at once, by SciPy."""
    labels, count = ndimage.label(marked)
    found = np.zeros(marked.shape, bool)
    edge = np.ones(marked.shape, bool)
    edge[1:-1, 1:-1] = False
    for label in range(1, count + 1):
        area = labels == label
        if (area & edge).any() and area.sum() >= least:
            found |= area
    return found


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_slabs_find_what_the_whole_picture_shows(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 12)))
    marked = data.draw(arrays(bool, shape, elements=st.booleans(), fill=st.just(True)))
    step = data.draw(st.integers(1, 8))
    least, before = data.draw(st.integers(1, 12)), collars.LEAST
    collars.LEAST = least
    try:
        collar = Collar()
        parts = [marked[top : top + step] for top in range(0, len(marked), step)]
        for part in parts:
            collar.add(part)
        expected = plainly(marked, least)
        assert collar.finish() == expected.any()
        found = np.concatenate([collar.of(i, part) for i, part in enumerate(parts)])
    finally:
        collars.LEAST = before
    np.testing.assert_array_equal(found, expected)


def test_a_fill_is_black_or_white_in_all_bands() -> None:
    values = np.array([[[0, 0, 0], [0, 0, 1], [65535, 65535, 65535], [65535, 65535, 0]]], np.uint16)
    black, white = fills(values)
    assert black.tolist() == [[True, False, False, False]]
    assert white.tolist() == [[False, False, True, False]]
    assert len(fills(values.astype(np.float32))) == 1
