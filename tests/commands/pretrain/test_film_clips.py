"""Clips of a film: as many as in DoRA's code, closer together where the film is short."""

import logging

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.commands.pretrain.film_clips import ClipPlan, plan_clips, take_clip


def test_a_long_film_has_as_many_clips_as_in_the_authors_code(caplog: pytest.LogCaptureFixture) -> None:
    """Their `__len__`: all frames less frames of a clip times their distance."""
    assert plan_clips(390_000, length=8, spacing=60) == ClipPlan(390_000 - 480, 8, 60)
    assert not caplog.records


def test_the_last_clip_ends_inside_the_film() -> None:
    plan = plan_clips(2000, length=8, spacing=60)
    assert plan.places(0) == [0, 60, 120, 180, 240, 300, 360, 420]
    assert plan.places(plan.count - 1)[-1] < 2000


@pytest.mark.parametrize("frames", [9, 10, 31, 211, 959])
def test_in_a_short_film_clips_span_half_of_it_and_that_is_said(frames: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        plan = plan_clips(frames, length=8, spacing=60)
    assert 1 <= plan.spacing < 60
    assert plan.count >= (frames // 2 if frames >= 16 else 1)
    assert plan.places(plan.count - 1)[-1] < frames
    assert f"no more than {frames} frames" in caplog.text


def test_a_film_of_fewer_frames_than_a_clip_is_refused() -> None:
    with pytest.raises(UsageError, match="clip_frames=8: the film holds 8 frames"):
        plan_clips(8, length=8, spacing=1)


def test_clips_of_one_frame_are_frames() -> None:
    assert plan_clips(100, length=1, spacing=1) == ClipPlan(99, 1, 1)


def test_a_clip_holds_its_frames_and_is_no_view_of_the_film() -> None:
    film = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((2, 3, 3), np.uint8)
    clip = take_clip(film, ClipPlan(5, 3, 4), 2)
    assert clip[:, 0, 0, 0].tolist() == [2, 6, 10]
    clip[:] = 0
    assert film[6, 0, 0, 0] == 6
