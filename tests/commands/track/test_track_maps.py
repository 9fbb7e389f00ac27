"""Masks of tracks, and pictures of them."""

import numpy as np

from segpipe.base.geometry import Size
from segpipe.commands.track.track_maps import draw_tracks, paint
from segpipe.ops.tracking.tracks import Sighting, TrackedFrame


def test_maps_compete_for_pixels_after_they_were_enlarged() -> None:
    maps = np.array([[1, 0, 0, 0], [0, 0, 0, 1]], np.float32)
    sightings = (Sighting(4, 1, True), Sighting(5, 0.1, False), Sighting(6, 1, True))
    found = TrackedFrame(1, sightings, maps, np.full(4, 0.25, np.float32))
    mask = paint(found, Size(1, 4), Size(10, 40))
    assert mask.dtype == np.uint16
    assert (mask[:, :10] == 4).all()
    assert (mask[:, -10:] == 6).all()
    assert (mask[:, 17:23] == 0).all()
    assert 10 < (mask[0] == 4).sum() < 20


def test_tracks_are_drawn_in_colors_of_their_own() -> None:
    rgb = np.full((60, 90, 3), 100, np.uint8)
    mask = np.zeros((60, 90), np.uint16)
    assert draw_tracks(rgb, mask) is rgb
    mask[:20, :30], mask[40:, 60:] = 1, 2
    drawn = draw_tracks(rgb, mask)
    assert drawn.shape == rgb.shape
    assert (drawn[30, 45] == 100).all()
    assert len({tuple(drawn[y, x].tolist()) for y, x in ((4, 3), (58, 62), (30, 45))}) == 3


def test_the_number_of_a_track_stands_in_its_widest_part() -> None:
    rgb = np.full((90, 200, 3), 100, np.uint8)
    mask = np.zeros((90, 200), np.uint16)
    mask[:8, :8], mask[50:, 150:] = 1, 1  # the mean of both lies in neither

    changed = (draw_tracks(rgb, mask) == 255).all(axis=-1)

    assert changed[55:85, 160:190].any()
    assert not changed[20:45, 60:140].any()
