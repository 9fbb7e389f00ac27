"""Tiles cover a grid, and a patch's neighborhood is what lies within the radius."""

import pytest
import torch

from segpipe.ops.propagation.neighborhood import Shape, cut_tiles, near


@pytest.mark.parametrize("shape", ["square", "circle"])
@pytest.mark.parametrize("radius", [0, 2, 7])
def test_tiles_together_know_every_pair_within_the_radius(radius: int, shape: Shape) -> None:
    rows, cols = 12, 15
    pairs = torch.zeros(rows, cols, rows, cols, dtype=torch.bool)
    seen = torch.zeros(rows, cols, dtype=torch.int64)
    for tile in cut_tiles(rows, cols, radius):
        seen[tile.inner] += 1
        height, width = tile.bottom - tile.top, tile.right - tile.left
        reach = tile.reach_bottom - tile.reach_top, tile.reach_right - tile.reach_left
        pairs[(*tile.inner, *tile.reach)] = near(tile, radius, shape).reshape(height, width, *reach)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    down, along = y[:, :, None, None] - y, x[:, :, None, None] - x
    if radius == 0:
        wanted = torch.ones_like(pairs)
    elif shape == "square":
        wanted = (down.abs() <= radius) & (along.abs() <= radius)
    else:
        wanted = torch.hypot(down.float(), along.float()) <= radius
    assert torch.equal(pairs, wanted)
    assert bool((seen == 1).all())
