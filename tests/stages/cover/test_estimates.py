"""Intervals of frames that show nearly the same are those of the scenes that they show."""

import numpy as np
import pytest

from segpipe.records.legend import plain_legend
from segpipe.stages.cover.estimates import Counted, part_of, whole_part

PIXELS = np.random.default_rng(0).integers(1, 100, (7, 3))


def counted(repeats: int, *, apart: bool) -> Counted:
    pixels = PIXELS.repeat(repeats, axis=0)
    count = len(pixels)
    shots = np.arange(count) if apart else np.arange(count) // repeats
    return Counted([str(i) for i in range(count)], ["dive"] * count, pixels, np.full(count, np.nan), shots)


def test_frames_of_a_scene_are_drawn_together() -> None:
    def ends(found: Counted) -> list[tuple[float | None, float | None]]:
        part = whole_part(found, found.pixels * 1.0, plain_legend(3), unit="image", draws=500, seed=1)
        return [(share.low, share.high) for share in part.shares]

    alone = ends(counted(1, apart=True))
    np.testing.assert_allclose(ends(counted(4, apart=False)), alone)
    narrow = ends(counted(4, apart=True))
    assert all(b[1] - b[0] < 0.7 * (a[1] - a[0]) for a, b in zip(alone, narrow, strict=True))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("repeats", "apart", "rows", "note"),
    [
        (4, False, 28, "7 scenes: rough intervals"),
        (4, False, 4, "one scene: no interval, nobody knows how much others would differ"),
        (1, True, 7, "7 images: rough intervals"),
        (4, True, 28, ""),
    ],
)
def test_notes_say_what_was_drawn(repeats: int, apart: bool, rows: int, note: str) -> None:
    found = counted(repeats, apart=apart)
    chosen = np.arange(len(found.names)) < rows
    part = part_of("all", chosen, found, found.pixels * 1.0, plain_legend(3), draws=100, seed=0)
    assert (part.note, part.images) == (note, rows)
