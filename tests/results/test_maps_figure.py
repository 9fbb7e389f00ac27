"""The figure of a run."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.records.legend import Legend
from segpipe.results import Run
from segpipe.results.maps_figure import MapView, draw_maps, view_map
from segpipe.results.reader import RunReader
from tests.helpers.run_view import BAY, ONE


def test_the_figure(done: Path, tmp_path: Path) -> None:
    before = set(sys.modules)
    figure = Run(done).show(ONE, BAY)
    assert "matplotlib.pyplot" not in set(sys.modules) - before
    photo, painted, *rest = figure.axes
    assert len(rest) == 2
    assert photo.get_title(loc="left") == ONE
    shown = np.asarray(photo.images[0].get_array())
    assert shown.shape == np.asarray(painted.images[0].get_array()).shape == (*Run(done).mask(ONE).shape, 3)
    assert not np.array_equal(shown, painted.images[0].get_array())
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == 5
    assert texts[0].startswith("class ")
    figure.savefig(tmp_path / "shown.png")
    with Image.open(tmp_path / "shown.png") as saved:
        assert saved.width > 400
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_view_is_the_photograph_in_the_color_of_its_classes(done: Path) -> None:
    reader = RunReader(done)
    index = reader.find(BAY)
    one_class = Legend(("all",), np.array([[10, 200, 30]], np.uint8), np.zeros(5, np.int64))
    seen, covered, halved = (view_map(reader, index, one_class, side=90, opacity=share) for share in (0, 1, 0.5))
    height, width = Run(done).mask(BAY).shape
    assert max(seen.photo.shape) == 90
    assert seen.photo.shape[0] / seen.photo.shape[1] == pytest.approx(height / width, abs=0.01)
    np.testing.assert_array_equal(seen.painted, seen.photo)
    assert (covered.painted == (10, 200, 30)).all()
    np.testing.assert_allclose(halved.painted, (seen.photo + np.array([10, 200, 30])) / 2, atol=0.51)
    assert seen.pixels == Counter({0: height * width})


def test_the_legend_lists_the_largest_classes_of_all_images_and_counts_the_rest() -> None:
    legend = Legend(tuple(f"kind {k}" for k in range(40)), np.zeros((40, 3), np.uint8), np.arange(40))
    gray = np.zeros((20, 30, 3), np.uint8)
    first = MapView("a", gray, gray, Counter(dict.fromkeys(range(1, 35), 10)))
    second = MapView("b", gray, gray, Counter({7: 150, 39: 510}))
    figure = draw_maps([first, second], legend)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[:3] == ["kind 39  51.0%", "kind 7  16.0%", "kind 1  1.0%"]
    assert (len(texts), texts[-1]) == (31, "and 5 more")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "", "b", ""]
