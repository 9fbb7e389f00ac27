"""Hidden positives on a drawn corpus: it learns, it can go on, and its pool is renewed."""

import pytest
import torch

from segpipe.nn.head import drop_channels, new_head
from segpipe.stages.train.objective_configs import HiddenPositivesConfig
from segpipe.stages.train.objectives.hidden_positives import HiddenPositives
from tests.helpers.drawn_training import (
    DIM,
    STEPS,
    D,
    corpus,
    make,
    patches,
    train,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_without_a_sample_there_is_nothing_to_compare_with() -> None:
    head = new_head(D, DIM, 0.0, seed=0)
    objective = HiddenPositives(head, HiddenPositivesConfig(), steps=1, seed=0)
    objective.patches = lambda count, number: torch.empty(0, D)
    with pytest.raises(ValueError, match="need a sample of patches"):
        objective.start(head)


def test_the_pool_of_codes_is_drawn_anew_from_time_to_time_and_taken_up_again() -> None:
    training = make("hp")
    objective = training.objective
    assert isinstance(objective, HiddenPositives)
    first = objective.pool_codes.clone()
    train(training, range(7))
    assert torch.equal(objective.pool_codes, first)
    pool, average = objective.pool.clone(), objective.average.state_dict()
    average = {name: tensor.clone() for name, tensor in average.items()}
    train(training, range(7, 8))  # renew=7
    assert torch.equal(objective.pool, pool)
    twin = new_head(D, DIM, 0.1, seed=0).train()
    twin.load_state_dict(average)
    generator = torch.Generator().manual_seed(7)
    expected = drop_channels(twin(patches(64, 7), generator), 0.1, generator)
    torch.testing.assert_close(objective.pool_codes, expected)
    fresh = HiddenPositives(new_head(D, DIM, 0.1, seed=9), objective.config, steps=STEPS, seed=9)
    fresh.load_state_dict(objective.state_dict())
    assert torch.equal(fresh.pool, objective.pool)
    assert torch.equal(fresh.pool_codes, objective.pool_codes)


def test_positives_of_trained_codes_count_after_the_warmup_alone() -> None:
    head, objective, _ = make("hp")
    assert isinstance(objective, HiddenPositives)
    crops, _ = corpus(0)
    found: dict[int, list[float]] = {}
    for step in (19, 20, STEPS - 1):
        for codes in (objective.pool_codes, -objective.pool_codes):
            objective.pool_codes = codes
            loss, parts = objective.loss(head, crops, None, torch.Generator().manual_seed(0), step)
            assert loss.item() == pytest.approx((parts["global"] + parts["local"]).item() / 2, rel=1e-6)
            found.setdefault(step, []).append(loss.item())
    assert found[19] == found[20]
    assert found[20][0] == found[20][1]  # the pool of trained codes decides nothing yet
    assert abs(found[STEPS - 1][0] - found[STEPS - 1][1]) > 1e-3
