import numpy as np
import torch

from segpipe.commands.pretrain import draws


def test_every_pass_holds_each_item_once_in_an_order_of_its_own() -> None:
    line = [draws.item_at(3, position, 10) for position in range(30)]
    passes = [line[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(each) == list(range(10)) for each in passes)
    assert len({tuple(each) for each in passes}) == 3
    assert draws.item_at(3, 25, 10) == line[25]
    assert [draws.item_at(0, position, 1) for position in range(3)] == [0, 0, 0]


def test_no_two_generators_are_alike() -> None:
    made = [draws.view_generator(0, 0, 0), draws.view_generator(0, 0, 1), draws.view_generator(0, 1, 0)]
    made += [draws.view_generator(1, 0, 0), draws.loss_generator(0, 0, 0)]
    assert len({float(each.random()) for each in made}) == 5
    assert draws.view_generator(5, 6, 7).random() == draws.view_generator(5, 6, 7).random()


def test_torchs_own_generator_is_left_as_it_was() -> None:
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    with draws.depth_seeded(0, 4, 2, "cpu"):
        first = torch.rand(3)
    torch.testing.assert_close(torch.rand(3), wanted)
    with draws.depth_seeded(0, 4, 2, "cpu"):
        assert torch.equal(torch.rand(3), first)
    with draws.depth_seeded(0, 4, 3, "cpu"):
        assert not torch.equal(torch.rand(3), first)
    assert np.isfinite(first.numpy()).all()
