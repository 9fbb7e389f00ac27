"""CAUSE on a drawn corpus: it learns in two stages, it can go on, and its teacher follows."""

import pytest
import torch

from segpipe.stages.train.objectives.cause import Cause
from tests.helpers.drawn_training import make, states, train

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """To rounding: the running mean of what stands still is rounded anew at every step."""
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-6)


def test_first_the_codebook_alone_is_trained_then_all_but_the_codebook() -> None:
    training = make("cause")
    assert training.objective.first == 20  # a third of the steps
    moved = []
    for steps in (range(20), range(20, 22)):
        before = {key: value.clone() for key, value in states(training).items()}
        train(training, steps)
        after = states(training)
        moved.append({key for key in after if not alike(before[key], after[key])})
    assert moved[0] == {"objective.codebook"}
    assert moved[1] == before.keys() - {"objective.codebook", "head.mean", "objective.teacher.mean"}


def test_the_teacher_is_kept_and_follows_the_head_by_its_share() -> None:
    training = make("cause")
    head, objective = training.head, training.objective
    assert isinstance(objective, Cause)
    assert objective.final(head) is objective.teacher
    train(training, range(20, 21))
    assert torch.equal(objective.teacher.linear.weight, head.linear.weight)  # at first, as published
    before = objective.teacher.linear.weight.clone()
    train(training, range(21, 22))
    torch.testing.assert_close(objective.teacher.linear.weight, torch.lerp(before, head.linear.weight.detach(), 0.1))


def test_the_bank_holds_unit_vectors_and_no_more_of_a_code_than_it_may() -> None:
    training = make("cause")
    objective = training.objective
    assert isinstance(objective, Cause)
    train(training, range(20, 50))
    counts = objective.bank_ids.bincount()
    assert counts.max() == 30
    assert len(objective.bank_ids) == len(objective.bank_vectors) == counts.sum()
    torch.testing.assert_close(objective.bank_vectors.norm(dim=1), torch.ones(len(objective.bank_vectors)))


def test_the_codebook_has_no_weight_decay() -> None:
    head, objective, optimizer = make("cause")
    assert isinstance(objective, Cause)
    trained, codebook = optimizer.param_groups
    assert (trained["weight_decay"], codebook["weight_decay"]) == (1e-4, 0)
    assert codebook["params"] == [objective.codebook]
    assert not codebook["clipped"]
    assert len(trained["params"]) == len([*head.parameters()]) + 2
