"""What the page says of films."""

import numpy as np

from segpipe.ops.metrics.flow_consistency import FlowScore
from segpipe.plots.temporal_profile import Profile
from segpipe.records.film_scores import FilmScores, RegionBoundary, Steadiness, VideoScores
from segpipe.records.legend import plain_legend
from segpipe.stages.report.films import PROFILES, FilmLook
from segpipe.stages.report.films_part import film_scores_part, films_part

LEGEND = plain_legend(2)
FLOW = FlowScore(kept=0.9, still=0.8, chance=0.5, above_chance=0.8, followed=0.7, motion=3.0)


def look(name="dive.mp4", *, cuts=0, columns=3, frames=3):
    strips = [(np.zeros(4, np.uint8), np.zeros((4, 3), np.uint8))] * columns
    profile = Profile(strips, list(range(columns)), "frame") if columns else None
    return FilmLook(name, frames, pairs=2, cuts=cuts, flow=FLOW, profile=profile)


def test_a_row_and_a_profile_for_every_film():
    part = films_part([look(), look("b.mp4", frames=400)], LEGEND)
    assert part.rows[0] == {
        "film": "dive.mp4", "frames": 3, "pairs": 2, "kept": 0.9, "still": 0.8, "chance": 0.5, "above": 0.8,
        "followed": 0.7,
    }  # fmt: skip
    assert [plot.title for plot in part.profiles] == ["Temporal profile of dive.mp4", "Temporal profile of b.mp4"]
    assert part.profiles[0].caption.startswith("The middle column of all 3 frames,")
    assert part.profiles[1].caption.startswith("The middle column of 3 of 400 frames, evenly spread,")
    assert "One class everywhere would keep 100%" in part.note
    assert "scene changes" not in part.note


def test_pairs_and_films_left_out_are_counted():
    assert "1 pair at scene changes was left out." in films_part([look(cuts=1)], LEGEND).note
    many = [look(f"{i}.mp4", cuts=2, columns=0) for i in range(50)]
    part = films_part(many, LEGEND)
    assert "100 pairs at scene changes were left out." in part.note
    assert f"Listed are 40 of 50 films, with profiles of {PROFILES};" in part.note
    assert len(part.rows) == 40
    assert part.profiles == []


def test_without_films_there_is_no_part():
    assert films_part([], LEGEND) is None
    assert film_scores_part(None) is None


def test_scores_of_films_have_their_windows_and_say_what_is_missing():
    mean = RegionBoundary(j=0.6, f=0.4, jf=0.5)
    window = Steadiness(windows=3, steady=0.9, right=0.7, chance=0.2)
    note = "no VC16: 10 frames are too few"
    film = FilmScores(
        film="a.mp4", frames=10, labelled=10, seconds_apart=1.0, mean=mean, classes={}, vc8=window, vc16=None, note=note
    )
    part = film_scores_part(VideoScores(films=[film], mean=mean, vc8=window, vc16=None))
    assert part.rows == [
        {
            "film": "a.mp4", "labelled": 10, "j": 0.6, "f": 0.4, "jf": 0.5,
            "vc8": {"steady": 0.9, "right": 0.7, "chance": 0.2}, "vc16": None,
        }
    ]  # fmt: skip
    assert part.note.endswith(f"{note}.")
