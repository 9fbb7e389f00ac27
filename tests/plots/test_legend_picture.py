"""The picture of a legend."""

import io

import numpy as np
import pytest
from PIL import Image

from segpipe.plots.legend_picture import legend_png


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def test_every_color_is_there_from_top_to_bottom() -> None:
    colors = [(200, 30, 40), (20, 160, 60), (10, 60, 220)]
    picture = pixels(legend_png([(f"class {k}", tuple(c / 255 for c in color)) for k, color in enumerate(colors)]))
    rows = [np.flatnonzero((picture == color).all(-1).any(1)) for color in colors]
    assert all(len(found) > 10 for found in rows)
    assert rows[0].max() < rows[1].min() <= rows[1].max() < rows[2].min()
    assert not (picture[:, -5:] != 255).any()  # nothing is cut off at the right


@pytest.mark.parametrize("count", [0, 1, 60])
def test_any_number_of_classes_and_names_of_any_length(count: int) -> None:
    long = "a name $x_1$ that has no end " * 9
    colors = [(k / 60, 0.5, 1 - k / 60) for k in range(count)]
    picture = pixels(legend_png([(long, color) for color in colors]))
    assert picture.shape[0] < 1400
    shown = [color for color in colors if (np.abs(picture / 255 - color).max(-1) < 0.01).any()]
    assert len(shown) == count
