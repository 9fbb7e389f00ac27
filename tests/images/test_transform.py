import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segpipe.base.geometry import Box, Size
from segpipe.images.transform import CropResize


@st.composite
def framed(draw):
    size = Size(draw(st.integers(1, 60)), draw(st.integers(1, 60)))
    top, left = draw(st.integers(0, size.height - 1)), draw(st.integers(0, size.width - 1))
    box = Box(top, left, draw(st.integers(1, size.height - top)), draw(st.integers(1, size.width - left)))
    resize = draw(st.none() | st.integers(1, 90) | st.builds(Size, st.integers(1, 40), st.integers(1, 40)))
    return size, draw(st.none() | st.just(box)), resize


@settings(max_examples=60, deadline=None)
@given(framed())
def test_the_size_is_as_foretold_and_a_box_is_cut_exactly(case):
    size, box, resize = case
    transform = CropResize(box, resize)
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (size.height, size.width, 3), np.uint8)
    valid = rng.random((size.height, size.width)) < 0.7
    out, seen = transform.apply(rgb, valid)
    assert transform.misfit(size) == ""
    assert Size(*out.shape[:2]) == transform.size_of(size)
    assert out.flags.c_contiguous
    assert seen is None or seen.shape == out.shape[:2]
    inner = rgb if box is None else rgb[box.top : box.top + box.height, box.left : box.left + box.width]
    if resize is None:
        np.testing.assert_array_equal(out, inner)
    elif isinstance(resize, Size):
        assert Size(*out.shape[:2]) == resize
    else:
        assert max(out.shape[:2]) == min(resize, max(inner.shape[:2]))


def test_shrinking_agrees_with_pillow():
    rgb = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    out, _ = CropResize(None, Size(20, 30)).apply(rgb, None)
    expected = np.asarray(Image.fromarray(rgb).resize((30, 20), Image.Resampling.BOX))
    np.testing.assert_allclose(out.astype(int), expected, atol=1)


def test_a_box_outside_is_refused_with_the_image_s_size():
    transform = CropResize(Box(10, 0, 50, 20))
    assert transform.misfit(Size(40, 100)) == "--crop 10 60 0 20 reaches outside its 40 rows and 100 columns"
    with pytest.raises(ValueError, match="--crop 10 60 0 20 reaches outside"):
        transform.apply(np.zeros((40, 100, 3), np.uint8), None)
