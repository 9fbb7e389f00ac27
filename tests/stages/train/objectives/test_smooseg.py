"""SmooSeg on a drawn corpus: it learns, it can go on, and its prototypes follow."""

import pytest
import torch

from segpipe.nn.head import new_head
from segpipe.stages.train.objective_configs import SmoosegConfig
from segpipe.stages.train.objectives.smooseg import Smooseg
from tests.helpers.drawn_training import corpus, make, train

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_prototypes_start_as_seeded_directions_and_learn_faster_than_the_head() -> None:
    head = new_head(5, 4, 0.0, seed=0)
    one, same, other = (Smooseg(head, SmoosegConfig(prototypes=7), steps=1, seed=seed) for seed in (0, 0, 1))
    torch.testing.assert_close(one.prototypes.norm(dim=1), torch.ones(7))
    assert torch.equal(one.prototypes, same.prototypes)
    assert torch.equal(one.prototypes, one.average)
    assert not torch.equal(one.prototypes, other.prototypes)
    of_head, of_prototypes = one.groups(head, 2e-4)
    assert (of_head["lr"], of_prototypes["lr"]) == (2e-4, 5 * 2e-4)
    assert of_prototypes["params"] == [one.prototypes]


def test_the_running_mean_of_prototypes_keeps_its_share_of_a_step() -> None:
    training = make("smooseg")
    objective = training.objective
    assert isinstance(objective, Smooseg)
    before = objective.average.clone()
    train(training, range(1))
    assert not torch.equal(objective.prototypes, before)
    torch.testing.assert_close(objective.average, before)  # both began as the same
    moved = objective.prototypes.detach().clone()
    train(training, range(1, 2))
    torch.testing.assert_close(objective.average, torch.lerp(before, moved, 0.002))  # before the optimizer's step


def test_the_total_is_the_sum_of_its_parts_and_a_lone_crop_has_no_other() -> None:
    head, objective, _ = make("smooseg")
    for crops, names in ((6, ["self", "other", "data"]), (1, ["self", "data"])):
        total, parts = objective.loss(head, corpus(0, crops)[0], None, torch.Generator().manual_seed(0), 0)
        assert [*parts] == names
        assert total.item() == pytest.approx(sum(part.item() for part in parts.values()), abs=1e-6)
