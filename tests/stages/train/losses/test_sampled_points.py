"""Points of a step, on grids where every answer can be counted by hand."""

import torch

from segpipe.stages.train.losses.sampled_points import corners, draw_points, weigh
from segpipe.stages.train.objectives.objective import Patches


def test_corners_of_a_point_are_its_four_patches_by_distance() -> None:
    grids, items = torch.tensor([[2, 3], [2, 3]]), torch.tensor([1])
    coords = torch.tensor([[[[0.5, -0.5]]]])  # column 1.5 of 0 to 2, row 0.25 of 0 to 1
    rows, shares = corners(grids, coords, items, torch.tensor([6]))
    assert rows.tolist() == [[[[7, 8, 10, 11]]]]
    assert shares.tolist() == [[[[0.375, 0.375, 0.125, 0.125]]]]
    table = torch.arange(12.0)[:, None]
    assert weigh(table, rows, shares).item() == 0.375 * 15 + 0.125 * 21


def test_kinds_of_points_and_what_they_lie_on() -> None:
    crops = Patches(torch.zeros(3, 4, 2), torch.full((3, 2), 2), torch.ones(3, 4, dtype=torch.bool))
    found = draw_points(crops, crops, torch.Generator().manual_seed(0), samples=2, negatives=2)
    assert [kind for kind, _ in found] == ["self", "neighbor", "negative", "negative"]
    assert [points.near for _, points in found] == [False, True, False, False]
    assert found[0][1].items.tolist() == found[1][1].items.tolist() == [0, 1, 2]
    assert all((points.items != torch.arange(3)).all() for _, points in found[2:])
    assert not torch.equal(found[0][1].coords, found[1][1].coords)
    assert torch.equal(found[1][1].coords, found[2][1].coords)
    one = Patches(crops.tokens[:1], crops.grids[:1], crops.valid[:1])
    assert [kind for kind, _ in draw_points(one, None, torch.Generator(), samples=2, negatives=2)] == ["self"]
