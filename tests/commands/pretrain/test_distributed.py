"""What torchrun says, and sums over processes. Two real processes train in test_run.py."""

import pytest
import torch
from torch import distributed as dist
from torch import nn

from segpipe.base.errors import UsageError
from segpipe.commands.pretrain.distributed import Processes, together, told_processes


def test_sums_over_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process has twice the values of this one."""
    monkeypatch.setattr(dist, "all_reduce", lambda tensor: tensor.mul_(3))
    processes = Processes(0, 2, 0)
    model = nn.Linear(2, 3)
    model.weight.grad, model.bias.grad = torch.ones(3, 2), torch.tensor([1.0, 2.0, 3.0])
    processes.sum_gradients(model)
    assert model.weight.grad.tolist() == [[3.0, 3.0]] * 3
    assert model.bias.grad.tolist() == [3.0, 6.0, 9.0]
    own = torch.ones(2)
    assert processes.sum(own).tolist() == [3.0, 3.0]
    assert own.tolist() == [1.0, 1.0]


def test_the_first_process_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "broadcast", lambda tensor, source: tensor.fill_(1 - source))
    shared = torch.zeros(2)
    Processes(1, 2, 1).same_everywhere([shared])
    assert shared.tolist() == [1.0, 1.0]
    assert Processes(1, 2, 1).agree(False, "cpu")


def test_one_process_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    processes = told_processes()
    assert processes == Processes(0, 1, 0)
    assert processes.main
    with together(processes, "cpu"):
        tensor = torch.ones(2)
        assert processes.sum(tensor) is tensor
        assert not processes.agree(False, "cpu")
        processes.wait()


@pytest.mark.parametrize(("rank", "count", "said"), [("x", "2", "must be numbers"), ("2", "2", "RANK=2 is none of")])
def test_what_cannot_be_meant(monkeypatch: pytest.MonkeyPatch, rank: str, count: str, said: str) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", count)
    with pytest.raises(UsageError, match=said):
        told_processes()


def test_each_process_of_a_machine_has_a_gpu_of_its_own() -> None:
    assert Processes(5, 8, 1).device("cuda") == "cuda:1"
    assert Processes(5, 8, 1).device("cpu") == "cpu"
    assert Processes().device("cuda") == "cuda"
