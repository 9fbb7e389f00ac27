"""When each frame of an overlay video is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.records.corpus import FrameInfo
from segpipe.stages.export.formats.video import plan_showing


def moments(places: list[int], fps: float, end: int) -> list[FrameInfo]:
    stops = [*places[1:], end]
    return [FrameInfo("a", i, i / fps, (j - i) / fps) for i, j in zip(places, stops, strict=True)]


@given(st.integers(1, 50), st.integers(1, 40), st.floats(1, 60), st.integers(1, 50))
def test_even_steps_come_once_at_their_rate(count: int, step: int, fps: float, rest: int) -> None:
    places = [step * i for i in range(count)]
    rest = min(rest, step)
    rate, times = plan_showing(moments(places, fps, places[-1] + rest))
    assert times == [1] * count
    assert rate == pytest.approx(min(120, max(0.05, fps / (step if count > 1 else rest))))


@given(st.lists(st.integers(1, 100), min_size=3, max_size=30), st.floats(5, 30))
def test_uneven_ones_stand_as_long_as_they_last(gaps: list[int], fps: float) -> None:
    places = [sum(gaps[:i]) for i in range(len(gaps))]
    if len(set(gaps[:-1])) == 1:
        return
    rate, times = plan_showing(moments(places, fps, sum(gaps)))
    assert rate == 5
    lasting = [min(10, gap / fps) for gap in gaps]
    for i in range(len(gaps)):
        assert times[i] >= 1
        short = sum(lasts < 0.2 for lasts in lasting)  # each of these may come a little late
        assert abs(sum(times[: i + 1]) - 5 * sum(lasting[: i + 1])) <= 0.5 + short


def test_what_has_no_times_is_shown_a_second_each() -> None:
    assert plan_showing([FrameInfo("a", i, 0.0, 0.0) for i in (0, 5, 10)]) == (1.0, [1, 1, 1])
    assert plan_showing([FrameInfo("a", 0, 0.0, 400.0)]) == (0.05, [1])
