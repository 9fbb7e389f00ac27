"""Frames taken of videos that are known frame by frame."""

import colorsys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.images.frames import Choice, FrameTaker, difference, look_of, write_frame
from segpipe.images.readers import read_image
from segpipe.images.video import BadVideo, VideoReader
from tests.helpers.films import cut_film, write_film
from tests.helpers.odd_films import with_times


def taken(path: Path, **choice: object) -> list[int]:
    return [one.frame.index for one in FrameTaker(path, Choice(**choice))]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """35 frames, 10 a second; cuts at 7, 18, 20 and 33."""
    return write_film(tmp_path_factory.mktemp("film") / "a.avi", (7, 11, 2, 13, 2))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(0, 40), st.one_of(st.none(), st.integers(1, 50)))
def test_every_nth_frame_is_that_of_the_reader(film: Path, every: int, start: int, stop: int | None) -> None:
    frames = list(VideoReader(film))[start:stop:every]
    taker = FrameTaker(film, Choice(every=every, start=start, stop=stop))
    found = list(taker)
    assert len(taker) == len(found)
    assert [one.frame.index for one in found] == [frame.index for frame in frames]
    for one, frame in zip(found, frames, strict=True):
        np.testing.assert_array_equal(one.frame.rgb, frame.rgb)
        assert one.frame.seconds == frame.seconds == pytest.approx(frame.index / 10, abs=0.002)
    end = min(35, 35 if stop is None else stop)
    ends = [*(frame.index for frame in frames[1:]), end][: len(found)]
    for one, after in zip(found, ends, strict=True):
        assert one.lasts == pytest.approx((after - one.frame.index) / 10, abs=0.003)
    assert bool(taker.shortfall()) == (start >= end)


def test_about_one_a_second_where_nothing_is_said(film: Path, tmp_path: Path) -> None:
    assert taken(film) == [0, 10, 20, 30]
    assert taken(write_film(tmp_path / "slow.avi", (9,), fps=0.4)) == list(range(9))
    odd = write_film(tmp_path / "odd.avi", (70,), fps=29.97)
    assert taken(odd) == [0, 30, 60]


def test_a_frame_at_every_cut(film: Path) -> None:
    assert taken(film, scenes=27.0) == [0, 7, 18, 33]  # 20 follows 18 by less than half a second
    assert taken(film, scenes=27.0, start=4, stop=30) == [4, 18]  # 7 comes too soon after the first
    assert taken(film, scenes=255.0) == [0]
    assert taken(film, scenes=27.0, every=6) == [0, 6, 12, 18, 24, 30]
    assert taken(film, scenes=27.0, every=10) == [0, 7, 17, 27, 33]


def test_difference_is_the_mean_of_hue_saturation_and_value() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 20, 30, 3), np.uint8)

    def plain(rgb: np.ndarray) -> np.ndarray:
        h, s, v = np.vectorize(colorsys.rgb_to_hsv)(*(rgb.astype(float) / 255).transpose(2, 0, 1))
        return np.stack([h * 180, s * 255, v * 255])

    expected = np.mean([np.abs(a - b).mean() for a, b in zip(plain(one), plain(other), strict=True)])
    assert difference(look_of(one), look_of(other)) == pytest.approx(expected, abs=0.5)
    assert difference(look_of(one), look_of(one)) == 0
    assert look_of(np.zeros((1080, 1920, 3), np.uint8)).shape == (144, 256, 3)
    assert look_of(np.zeros((3, 4000, 3), np.uint8)).shape == (1, 256, 3)


def test_a_frame_is_kept_without_loss(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    content = write_frame(tmp_path / "sub" / "a.png", rgb)
    assert (tmp_path / "sub" / "a.png").read_bytes() == content
    np.testing.assert_array_equal(read_image(tmp_path / "sub" / "a.png", depth="uint8", scaling={}).rgb, rgb)


def test_what_cannot_be_taken_is_told(film: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.avi"
    cut.write_bytes(film.read_bytes())
    taker = FrameTaker(cut_film(cut, 0.6), Choice(every=5))
    found = [one.frame.index for one in taker]
    assert found == list(range(0, found[-1] + 1, 5))
    assert 5 < found[-1] < 30
    assert "of 35 frames could be read; the rest of the file is damaged" in taker.shortfall()
    beyond = FrameTaker(film, Choice(every=1, start=35))
    assert list(beyond) == []
    assert beyond.shortfall() == "frame 35 lies beyond its end, 35 could be read"
    with pytest.raises(BadVideo, match="there is no such file"):
        FrameTaker(tmp_path / "none.mp4", Choice())


def test_without_a_frame_rate_one_must_say_which(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from segpipe.images import video

    probe = video.probe_video
    monkeypatch.setattr(video, "probe_video", lambda path: replace(probe(path), fps=0.0))
    with pytest.raises(BadVideo, match=r"does not say how many frames it has a second; .* index\.frame_step=25"):
        FrameTaker(film, Choice())
    assert taken(film, every=10) == [0, 10, 20, 30]
    assert taken(film, scenes=27.0) == [0, 7, 18, 20, 33]


VARIED = [*range(0, 480, 20), *range(480, 6480, 500)]
"""Milliseconds of 36 frames: 24 of them 20 ms apart, then one every half a second."""


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_film(tmp_path_factory.mktemp("varied") / "a.webm", (36,), fps=50)
    path.write_bytes(with_times(path.read_bytes(), VARIED, end=6480))
    return path


def test_a_whole_film_of_varying_rate_is_whole(varied: Path) -> None:
    reader = VideoReader(varied)
    assert [round(1000 * frame.seconds) for frame in reader] == VARIED
    assert reader.info.frames > 40  # what its length lets expect
    assert reader.shortfall() == ""
    assert reader.end == pytest.approx(6.48, abs=0.002)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), [0, 1480, 2480, 3480, 4480, 5480]),
        (Choice(seconds=2), [0, 2480, 4480]),
        (Choice(seconds=0.2), [0, 200, 400, *range(980, 6480, 500)]),
        (Choice(every=12), [0, 240, 480]),
    ],
)
def test_time_stamps_decide_what_is_taken_and_how_long_it_lasts(
    varied: Path, choice: Choice, expected: list[int]
) -> None:
    found = list(FrameTaker(varied, choice))
    starts = [round(1000 * one.frame.seconds) for one in found]
    # a frame may come early by half a step of the mean rate
    assert all(abs(start - near) <= 500 for start, near in zip(starts, expected, strict=True))
    step = 1000 * (choice.seconds or (0 if choice.every else 1))
    mean = 6480 / VideoReader(varied).info.frames
    assert all(after - before >= step - mean for before, after in pairwise(starts))
    lasts = [round(1000 * one.lasts) for one in found]
    assert lasts == [after - before for before, after in pairwise([*starts, 6480])]


def test_seconds_of_an_even_film_are_its_frames(film: Path) -> None:
    assert taken(film, seconds=0.5) == taken(film, every=5)
    assert taken(film, seconds=1.24) == taken(film, every=12)
    assert taken(film, seconds=0.001) == taken(film, every=1)
