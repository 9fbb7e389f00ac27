import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from segpipe.commands.pretrain.training_curves import curves_png


def test_a_panel_for_each_figure_that_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = list[tuple[str, list[float], list[float]]]()
    save = Figure.savefig

    def look(self: Figure, *arguments: object, **options: object) -> None:
        for axes in self.axes:
            (line,) = axes.lines
            drawn.append((axes.get_title(loc="left"), list(line.get_xdata()), list(line.get_ydata())))  # type: ignore[arg-type]
        save(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", look)
    rows = [{"step": 0, "loss": 3.0, "rank": 5.0}, {"step": 10, "loss": 2.0}, {"step": 20, "loss": 1.5, "rank": 9.0}]
    picture = np.array(Image.open(io.BytesIO(curves_png(rows))))
    assert drawn == [("loss", [0, 10, 20], [3, 2, 1.5]), ("effective rank of the features", [0, 20], [5, 9])]
    assert picture.shape[1] > 2 * picture.shape[0]


def test_a_history_without_rows_is_an_empty_picture() -> None:
    assert Image.open(io.BytesIO(curves_png([]))).format == "PNG"
