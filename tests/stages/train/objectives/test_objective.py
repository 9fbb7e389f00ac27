"""What all methods inherit: running means, copies that stand still, buffers that grow."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segpipe.nn.head import Head, new_head
from segpipe.stages.train.objectives.objective import Objective, Patches, copied, follow


class Growing(Objective):
    """Keeps a bank of vectors of three entries, and looks at pairs."""

    GROWING = ("bank",)

    def __init__(self, vectors: int) -> None:
        super().__init__()
        self.register_buffer("bank", torch.arange(3.0 * vectors).view(vectors, 3))
        self.register_buffer("fixed", torch.zeros(2))

    def correlations(self) -> dict[str, Tensor]:
        return {"code_self": torch.tensor([[0.0, 0.5], [1.0, 0.5]]), "feature_self": torch.tensor([0.25])}


def test_a_running_mean_follows_a_step_by_its_share() -> None:
    average, module = (nn.BatchNorm1d(2) for _ in range(2))
    with torch.no_grad():
        for norm, weight, mean in ((average, 1.0, 5.0), (module, 2.0, 9.0)):
            norm.weight.fill_(weight)
            norm.running_mean.fill_(mean)
    follow(average, module, keep=0.75)
    assert average.weight.tolist() == [1.25, 1.25]
    assert average.running_mean.tolist() == [9, 9]  # a buffer is no parameter: it is copied
    follow(average, module, keep=0)
    assert average.weight.tolist() == [2, 2]


def test_a_copy_does_not_move_with_what_it_was_copied_from() -> None:
    head = new_head(4, 2, 0.0, seed=0)
    twin = copied(head)
    before = twin.linear.weight.clone()
    with torch.no_grad():
        head.linear.weight.add_(1)
    assert torch.equal(twin.linear.weight, before)
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    assert all(parameter.requires_grad for parameter in head.parameters())


def test_a_bank_takes_the_size_of_what_is_loaded_and_nothing_else_does() -> None:
    full, fresh = Growing(5), Growing(0)
    fresh.load_state_dict(full.state_dict())
    assert torch.equal(fresh.bank, full.bank)
    full.load_state_dict(Growing(1).state_dict())
    assert full.bank.tolist() == [[0, 1, 2]]
    for name, other in (("bank", torch.zeros(5, 4)), ("fixed", torch.zeros(3))):
        with pytest.raises(RuntimeError, match=f"size mismatch for {name}"):
            fresh.load_state_dict({**full.state_dict(), name: other})


def test_means_are_those_of_the_correlations_and_a_method_may_have_none() -> None:
    assert {name: mean.item() for name, mean in Growing(1).means().items()} == {"code_self": 0.5, "feature_self": 0.25}
    assert Objective().means() == {}


def test_a_method_must_say_its_loss_and_what_it_trains() -> None:
    head, objective = new_head(4, 2, 0.0, seed=0), Objective()
    crops = Patches(torch.zeros(1, 1, 4), torch.ones(1, 2, dtype=torch.int64), torch.ones(1, 1, dtype=torch.bool))
    calls: list[Any] = [
        lambda: objective.groups(head, 1e-3),
        lambda: objective.loss(head, crops, None, torch.Generator(), 0),
    ]
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()
    kept: Head = objective.final(head)
    assert kept is head


def test_crops_go_to_a_device_whole() -> None:
    crops = Patches(torch.zeros(1, 4, 2), torch.full((1, 2), 2), torch.ones(1, 4, dtype=torch.bool))
    moved = crops.to(torch.device("meta"))
    assert [part.device.type for part in (moved.tokens, moved.grids, moved.valid)] == ["meta"] * 3
    assert (moved.tokens.shape, moved.grids.shape, moved.valid.shape) == ((1, 4, 2), (1, 2), (1, 4))
