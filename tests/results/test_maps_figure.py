"""The figure of a run."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from segpipe.results import Run
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
