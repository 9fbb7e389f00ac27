"""The common look of plots: nothing of the user's settings gets in, nothing of ours stays behind."""

import io

import matplotlib as mpl
import pytest
from PIL import Image

from segpipe.plots.figure import drawing, png, svg


def draw(encode):
    with drawing(2.0, 1.0) as figure:
        figure.subplots().plot([0, 1], [0, 1], label="a $ b")
        return encode(figure)


def test_the_settings_of_the_user_do_not_matter():
    plain = draw(svg)
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30.0, "lines.linewidth": 9.0, "svg.fonttype": "none"}):
        assert draw(svg) == plain
    before = dict(mpl.rcParams)
    draw(svg)
    assert dict(mpl.rcParams) == before


def test_settings_come_back_after_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), drawing(1, 1):
        raise ZeroDivisionError
    assert dict(mpl.rcParams) == before


def test_a_png_has_200_dots_per_inch():
    assert Image.open(io.BytesIO(draw(png))).size == (400, 200)
