"""Scores of films: written where there are some, and only there."""

import json

from segpipe.records.film_scores import FilmScores, RegionBoundary, Steadiness, VideoScores
from segpipe.records.scores import Scores
from segpipe.store.scores import load_scores
from tests.helpers import report_run

MEAN = RegionBoundary(j=0.6, f=0.4, jf=0.5)


def test_scores_without_films_are_written_as_before(tmp_path):
    run_dir = report_run.make_run(tmp_path, ["a", "b"], classes=2)
    report_run.add_scores(run_dir, ["sand", "rock"], classes=2, names=["a", "b"])
    path = run_dir.path("scores") / "scores.json"
    plain = json.loads(path.read_text())
    assert "video" not in plain
    assert list(plain)[-1] == "guide_images"
    found = load_scores(run_dir.path("scores"))
    assert found.video is None
    assert "video" not in found.model_dump()


def test_scores_of_films_come_back_as_they_were(tmp_path):
    run_dir = report_run.make_run(tmp_path, ["a"], classes=1)
    report_run.add_scores(run_dir, ["sand"], classes=1, names=["a"])
    window = Steadiness(windows=3, steady=0.9, right=0.7, chance=0.2)
    film = FilmScores(
        film="odd \udcff name", frames=9, labelled=9, seconds_apart=None, mean=MEAN, classes={"sand": MEAN}, vc8=window,
        vc16=None,
    )  # fmt: skip
    video = VideoScores(films=[film], mean=MEAN, vc8=window, vc16=None)
    scores = load_scores(run_dir.path("scores")).model_copy(update={"video": video})
    again = Scores.model_validate_json(scores.model_dump_json())
    assert again == scores
    assert again.video is not None
    assert again.video.films[0].film == "odd ? name"
    assert window.constant == 1
