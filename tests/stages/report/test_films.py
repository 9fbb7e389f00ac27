"""Films looked at without labels: a camera that moves over a drawn ground, with class maps that move with it or not."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from segpipe.base.runtime import Runtime
from segpipe.records.legend import plain_legend
from segpipe.stages import report
from segpipe.stages.report import films
from segpipe.stages.report.films import look_at_films
from tests.helpers import report_run
from tests.helpers.film_run import as_film, film_corpus, write_maps
from tests.helpers.textured import camera_frames, textured

HEIGHT, WIDTH, STEP = 72, 96, 3
RUNTIME = Runtime(workers=2)


def ground(count):
    """Three classes in stripes, as the camera sees them from frame to frame."""
    wide = (np.arange(WIDTH + STEP * count) // 14 * 7 // 3 % 3)[None].repeat(HEIGHT, 0)
    return [wide[:, STEP * i : STEP * i + WIDTH] for i in range(count)]


def inputs_of(root, pictures, maps, *, video="dive.mp4"):
    corpus = film_corpus(root, pictures, video=video)
    index = write_maps(root / "masks", corpus, maps, classes=3)
    return SimpleNamespace(corpus=corpus, masks=root / "masks", index=index, legend=plain_legend(3))


def look(root, maps, *, video="dive.mp4"):
    pictures = camera_frames(len(maps), height=HEIGHT, width=WIDTH, step=STEP)
    (found,) = look_at_films(inputs_of(root, pictures, maps, video=video), RUNTIME)
    return found


def test_maps_that_move_with_the_picture_are_steady_and_others_are_not(tmp_path):
    rng = np.random.default_rng(0)
    steady, still, noise, constant = (
        look(tmp_path / name, maps).flow
        for name, maps in (
            ("steady", ground(12)),
            ("still", [ground(12)[0]] * 12),
            ("noise", list(rng.integers(3, size=(12, HEIGHT, WIDTH)))),
            ("constant", [np.ones((HEIGHT, WIDTH))] * 12),
        )
    )
    assert steady.kept > 0.97
    assert steady.above_chance > 0.94
    assert steady.motion == pytest.approx(STEP, abs=0.3)
    assert steady.followed > 0.8
    assert still.still == 1
    assert still.kept < 0.9
    assert noise.above_chance == pytest.approx(0, abs=0.04)
    assert (constant.kept, constant.above_chance, constant.constant) == (1, 0, 1)


def test_frames_where_a_scene_ends_are_not_compared(tmp_path):
    one, other = (
        camera_frames(6, height=HEIGHT, width=WIDTH),
        [255 - rgb for rgb in camera_frames(6, height=HEIGHT, width=WIDTH)],
    )
    (found,) = look_at_films(inputs_of(tmp_path, [*one, *other], ground(12)), RUNTIME)
    assert (found.frames, found.pairs, found.cuts) == (12, 10, 1)


def test_what_is_read_of_a_film_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "ALL_PAIRS", 4)
    monkeypatch.setattr(films, "_FEWEST", 3)
    monkeypatch.setattr(films, "COLUMNS", 5)
    found = look(tmp_path, ground(12))
    assert found.pairs == 4
    assert found.profile.times == [0, 2, 5, 8, 11]
    assert films.spread(11, 4) == [0, 3, 6, 10]


def test_a_profile_holds_the_middle_columns_of_the_frames(tmp_path):
    maps = ground(12)
    video, numbered = look(tmp_path / "video", maps), look(tmp_path / "numbered", maps, video="")
    assert [int(classes[0]) for classes, _ in video.profile.columns] == [int(m[0, WIDTH // 2]) for m in maps]
    pictures = camera_frames(12, height=HEIGHT, width=WIDTH, step=STEP)
    for (_, rgb), picture in zip(video.profile.columns, pictures, strict=True):
        assert rgb[-1].tolist() == pytest.approx(picture[-1, WIDTH // 2].tolist(), abs=40)
    assert (video.profile.times, video.profile.unit) == ([float(i) for i in range(12)], "seconds of the film")
    assert (numbered.profile.times, numbered.profile.unit) == (list(range(12)), "frame")
    assert numbered.flow == video.flow
    assert numbered.name == "trip/f*"


def test_classes_that_are_left_out_do_not_count(tmp_path):
    pictures, maps = camera_frames(9, height=HEIGHT, width=WIDTH, step=STEP), ground(9)
    inputs = inputs_of(tmp_path, pictures, maps)
    whole = look_at_films(inputs, RUNTIME)[0]
    plain = plain_legend(2)
    inputs.legend = type(plain)(plain.names, plain.colors, np.array([0, 1, -1]), named=False)
    part = look_at_films(inputs, RUNTIME)[0]
    assert part.flow.kept > 0.97
    assert part.flow.followed < whole.flow.followed


def test_films_of_less_than_four_frames_and_photographs_are_not_looked_at(tmp_path):
    inputs = inputs_of(tmp_path / "short", camera_frames(3, height=HEIGHT, width=WIDTH), ground(3))
    assert look_at_films(inputs, RUNTIME) == []
    photographs = [textured(HEIGHT, WIDTH, seed=i) for i in range(9)]
    assert look_at_films(inputs_of(tmp_path / "photos", photographs, ground(9), video=""), RUNTIME) == []


def test_the_stage_writes_the_numbers_and_the_profiles_of_films_alone(tmp_path):
    names = [f"dive.mp4/{10 * i:06}" for i in range(6)] + ["photo"]
    run_dir = report_run.make_run(tmp_path, names, classes=3)
    report.run(report.Config(), run_dir, Runtime())
    out = run_dir.path("report")
    plain = (out / "index.html").read_text("utf-8")
    assert [path.name for path in out.iterdir() if path.name != "SHA256SUMS"] == ["index.html"]
    as_film(run_dir, video="dive.mp4")
    report.run(report.Config(), run_dir, Runtime())
    (told,) = json.loads((out / "films.json").read_text())["films"]
    assert (told["film"], told["frames"], told["pairs"] + told["cuts"]) == ("dive.mp4", 6, 5)
    assert (out / told["profile"]).read_bytes()[:4] == b"\x89PNG"
    html = (out / "index.html").read_text("utf-8")
    assert '<h2 id="films">' in html
    assert "Steadiness over time" not in plain
