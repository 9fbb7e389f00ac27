"""The figure of cover over time."""

import numpy as np
import pytest

from segpipe.plots.cover_over_time import FILMS, stacked, time_plot, time_png
from segpipe.records.cover import Cover, Part
from segpipe.records.film_cover import FilmCover, Span
from tests.helpers.svg import texts

CLASSES = ["live coral", "sand " + "s" * 40]


def film(name="dive.mp4", *, starts=(0.0, 1.0, 4.0), interval=True):
    spans = [Span(second=at, frames=1, scenes=1, shares=[0.25 + at / 100, 0.75 - at / 100]) for at in starts]
    ends = {"low": [0.2, 0.6], "high": [0.4, 0.8]} if interval else {}
    whole = Span(second=0.0, frames=len(starts), scenes=3 if interval else 1, shares=[0.3, 0.7], **ends)
    note = "" if interval else "one scene: no interval"
    return FilmCover(film=name, step=1.0, seconds=starts[-1] + 1, spans=spans, whole=whole, note=note)


def cover(films):
    return Cover(
        legend="x", classes=CLASSES, colors=["#ff0000", "#00ff00"], weight="pixels", unit="image", by="folder",
        draws=500, whole=Part(name="all", images=3, shares=[]), sites=[], images=[], films=films,
    )  # fmt: skip


def test_a_span_lasts_until_the_next_one():
    edges, shares = stacked(film())
    assert edges.tolist() == [[0, 1], [1, 4], [4, 5]]
    assert shares[:, 0] == pytest.approx([0.25, 0.26, 0.29])


def test_long_films_are_averaged_to_what_a_figure_can_show():
    edges, shares = stacked(film(starts=tuple(np.arange(1000.0).tolist())))
    assert len(edges) == 300
    assert (edges[0, 0], edges[-1, 1]) == (0, 1000)
    assert (edges[1:, 0] == edges[:-1, 1]).all()
    assert np.average(shares[:, 0], weights=edges[:, 1] - edges[:, 0]) == pytest.approx(0.25 + 9.99 / 2)
    assert shares.sum(axis=1) == pytest.approx(1)


def test_seconds_without_a_class_are_empty():
    bare = film().model_copy(update={"spans": [Span(second=0.0, frames=1, scenes=1, shares=[None, None])]})
    assert stacked(bare)[1].tolist() == [[0, 0]]
    assert time_png(cover([bare]))[:4] == b"\x89PNG"


def test_the_figure_names_films_and_classes_and_says_how_intervals_are_made():
    plot = time_plot(cover([film(), film("b.mp4", interval=False)]))
    assert plot is not None
    assert "by resampling scenes (500 times)" in plot.caption
    drawn = texts(plot.svg)
    assert "dive.mp4 (3 frames, 3 scenes)" in drawn
    assert "one scene: no interval" in drawn
    assert {"live coral", "sand " + "s" * 18 + "…"} <= set(drawn)
    assert b"#ff0000" in plot.svg


def test_there_is_no_figure_without_films_and_a_limit_to_many():
    assert time_plot(cover([])) is None
    many = time_plot(cover([film(f"{i}.mp4") for i in range(FILMS + 2)]))
    assert many is not None
    assert f"Shown are {FILMS} of {FILMS + 2} films" in many.caption
    assert f"{FILMS}.mp4 (3 frames, 3 scenes)" not in texts(many.svg)
