"""Cover over time: on frames whose pixels and times are written down."""

import csv

import numpy as np
import pytest

from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus, Crop, FrameInfo, Image
from segpipe.records.film_cover import Span
from segpipe.stages import cover
from segpipe.stages.cover.estimators import bootstrap_shares
from segpipe.stages.cover.over_time import films_over_time, rows_over_time
from segpipe.store.cover import load_cover
from tests.helpers import report_run
from tests.helpers.film_run import as_film


def corpus_of(times, *, video="a.mp4"):
    """Frames shown at some times, each until the next, the last one for a second; and a photograph behind them."""
    ends = [*times[1:], times[-1] + 1]
    moments = [FrameInfo(video, i, at, end - at) for i, (at, end) in enumerate(zip(times, ends, strict=True))]
    images = [Image(f"{video}/{i:06}", "x", Size(8, 8), "uint8", "0" * 64, 1, moment=m) for i, m in enumerate(moments)]
    images.append(Image("photo", "photo.png", Size(8, 8), "uint8", "0" * 64, 1))
    return Corpus(None, tuple(images), tuple(Crop(i, Box(0, 0, 8, 8)) for i in range(len(images))))


def over(corpus, amounts, *, step=1.0):
    return films_over_time(corpus, np.asarray(amounts, np.float64), step=step, draws=200, seed=3)


def test_a_second_holds_the_frames_that_begin_in_it_by_their_time():
    corpus = corpus_of([0.0, 0.75, 1.5, 4.0])
    (film,) = over(corpus, [(4, 0), (0, 4), (1, 3), (0, 0), (9, 9)])
    assert [(span.second, span.frames) for span in film.spans] == [(0.0, 2), (1.0, 1), (4.0, 1)]
    assert film.spans[0].shares == pytest.approx([0.75, 0.25])  # the second frame counts for 0.25 seconds of it
    assert film.spans[1].shares == [0.25, 0.75]
    assert film.spans[2].shares == [None, None]  # nothing has a class
    assert film.whole.shares == pytest.approx([(3 + 2.5) / 16, (3 + 7.5) / 16])  # 0.75, 0.75 and 2.5 seconds
    assert (film.film, film.seconds, film.step) == ("a.mp4", 5.0, 1.0)


def test_intervals_are_of_scenes_where_there_are_several():
    corpus = corpus_of([float(i) for i in range(40)])  # four scenes of ten seconds, cut into eight
    amounts = np.random.default_rng(0).dirichlet((2, 3), size=41)
    (film,) = over(corpus, amounts, step=20.0)
    assert [(span.second, span.frames, span.scenes) for span in film.spans] == [(0.0, 20, 4), (20.0, 20, 4)]
    scenes = [amounts[start : start + 5].sum(axis=0) for start in range(0, 40, 5)]
    low, high = bootstrap_shares(np.array(scenes), draws=200, seed=3)
    assert film.whole.scenes == 8
    assert (film.whole.low, film.whole.high) == (pytest.approx(low.tolist()), pytest.approx(high.tolist()))
    assert all(a < b < c for a, b, c in zip(film.whole.low, film.whole.shares, film.whole.high, strict=True))
    assert film.note == "8 scenes: rough intervals"
    (seconds,) = over(corpus, amounts)
    assert seconds.whole == film.whole
    assert {(span.scenes, len(span.low)) for span in seconds.spans} == {(1, 0)}


def test_one_frame_has_no_interval_and_says_so():
    (film,) = over(corpus_of([2.0]), [(1, 3), (1, 1)])
    assert film.whole == Span(second=2.0, frames=1, scenes=1, shares=[0.25, 0.75])
    assert film.note == "one scene: no interval"
    assert rows_over_time([film], ["sand", "coral"]) == [
        ["a.mp4", 2.0, 0, "sand", 0.25, None, None, 1, 1, "one scene: no interval"],
        ["a.mp4", 2.0, 1, "coral", 0.75, None, None, 1, 1, "one scene: no interval"],
        ["a.mp4", "", 0, "sand", 0.25, None, None, 1, 1, "one scene: no interval"],
        ["a.mp4", "", 1, "coral", 0.75, None, None, 1, 1, "one scene: no interval"],
    ]
    (empty,) = over(corpus_of([2.0]), [(0, 0), (1, 1)])
    assert empty.note == "no pixel with a class"


def test_frames_that_are_shown_for_no_time_still_count():
    corpus = corpus_of([0.0, 0.0])
    (film,) = over(corpus, [(1, 0), (0, 1), (0, 0)])
    assert film.spans[0].shares == pytest.approx([0, 1], abs=1e-5)


def test_the_stage_writes_the_table_and_the_figure_of_films_alone(tmp_path):
    names = [f"dive.mp4/{10 * i:06}" for i in range(6)] + ["photo"]
    run_dir = report_run.make_run(tmp_path, names, classes=3)
    config = cover.Config(n_resamples=100)
    cover.run(config, run_dir, Runtime())
    out = run_dir.path("cover")
    plain = {path.name: path.read_bytes() for path in out.iterdir()}
    assert not {"time.csv", "time.png"} & plain.keys()
    assert b'"films"' not in plain["cover.json"]
    as_film(run_dir, video="dive.mp4")
    cover.run(config, run_dir, Runtime())
    with (out / "time.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["second"] for row in rows[::3]] == ["0", "1", "2", "3", "4", "5", ""]
    images = {part.name: part for part in load_cover(out).images}
    assert [float(row["share"]) for row in rows[3:6]] == pytest.approx([s.share for s in images[names[1]].shares])
    assert all(float(row["low"]) <= float(row["share"]) <= float(row["high"]) for row in rows[-3:])
    assert (out / "time.png").read_bytes()[:4] == b"\x89PNG"
    assert load_cover(out).films[0].whole.scenes == 6


def test_the_length_of_a_span_is_a_setting_that_earlier_runs_do_without():
    assert cover.Config(time_step=1.0).identity() == cover.Config().identity()
    assert "time_step" not in cover.Config().identity()
    assert cover.Config(time_step=5.0).identity()["time_step"] == 5.0
