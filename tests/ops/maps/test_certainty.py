"""Certainty of pixels against a slow statement; images to label next."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.geometry import Size
from segpipe.ops.maps.blend import upsample
from segpipe.ops.maps.certainty import label_next
from segpipe.ops.maps.segment import label_pixels
from tests.helpers.certainty import certainty_pixels


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 7), st.integers(1, 7), st.integers(0, 99), st.booleans())
def test_margin_and_entropy_of_every_pixel(classes, height, width, seed, larger) -> None:
    rng = np.random.default_rng(seed)
    found = rng.dirichlet(np.full(classes, 0.4), (height, width)).astype(np.float32)
    image = Size(3 * height - 1, 2 * width + 1) if larger else Size(height, width)
    margin, entropy = certainty_pixels(found, image, strip=40)  # several strips
    labels = label_pixels(found, image)
    y = (np.arange(image.height) + 0.5) * height / image.height - 0.5
    x = (np.arange(image.width) + 0.5) * width / image.width - 0.5
    values = upsample(found, y, x)
    for row in range(image.height):
        for col in range(image.width):
            p = sorted((float(v) for v in values[row, col]), reverse=True)
            second = p[1] if classes > 1 else 0.0
            assert abs(margin[row, col] - 255 * (p[0] - second)) <= 0.51
            spread = -sum(v * math.log(v) for v in p if v > 0) / (math.log(classes) if classes > 1 else 1)
            assert abs(entropy[row, col] - 255 * spread) <= 0.52
            assert values[row, col, labels[row, col]] == values[row, col].max()


def test_the_ends_of_the_scale() -> None:
    sure, torn = np.zeros((2, 2, 4), np.float32), np.full((2, 2, 4), 0.25, np.float32)
    sure[..., 1] = 1
    for found, wanted in ((sure, (255, 0)), (torn, (0, 255)), (np.ones((2, 2, 1), np.float32), (255, 0))):
        margin, entropy = certainty_pixels(found, Size(4, 4))
        assert (int(margin.min()), int(margin.max())) == (wanted[0], wanted[0])
        assert (int(entropy.min()), int(entropy.max())) == (wanted[1], wanted[1])


def test_images_to_label_are_spread_over_the_classes() -> None:
    # four images full of doubt about class 0, one about class 1, one about a rare class 2
    doubt = np.array([[90, 0, 0], [80, 1, 0], [85, 0, 0], [95, 2, 0], [40, 30, 0], [60, 0, 3]], float)
    entropy = np.array([0.9, 0.8, 0.85, 0.95, 0.5, 0.4])
    assert label_next(entropy, doubt, count=4) == [(3, 0), (4, 1), (5, 2), (0, 0)]
    assert [image for image, _ in label_next(entropy, doubt, count=99)] == [3, 4, 5, 0, 2, 1]
    entropy[3] = np.nan  # no pixel of it has a class
    assert [image for image, _ in label_next(entropy, doubt, count=3)] == [0, 4, 5]
    assert label_next(np.zeros(0), np.zeros((0, 3)), count=3) == []


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 999), st.integers(1, 15))
def test_every_image_comes_once(images, classes, seed, count) -> None:
    rng = np.random.default_rng(seed)
    entropy, doubt = rng.random(images), rng.integers(0, 3, (images, classes)).astype(float)
    found = label_next(entropy, doubt, count=count)
    assert len(found) == min(count, images)
    assert len({image for image, _ in found}) == len(found)
    assert found[0][0] == entropy.argmax()
