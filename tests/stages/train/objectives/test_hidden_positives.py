"""Hidden positives on a drawn corpus: it learns, it can go on, and its pool is renewed."""

import pytest
import torch

from segpipe.nn.head import new_head
from segpipe.stages.train.objective_configs import HiddenPositivesConfig
from segpipe.stages.train.objectives.hidden_positives import HiddenPositives
from tests.helpers.drawn_training import (
    DIM,
    STEPS,
    D,
    corpus,
    make,
    train,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_without_a_sample_there_is_nothing_to_compare_with() -> None:
    head = new_head(D, DIM, 0.0, seed=0)
    with pytest.raises(ValueError, match="need a sample of patches"):
        HiddenPositives(head, HiddenPositivesConfig(), steps=1, seed=0).start(head, torch.empty(0, D))


def test_the_pools_codes_are_renewed_from_time_to_time_and_taken_up_again() -> None:
    training = make("hp")
    objective = training.objective
    assert isinstance(objective, HiddenPositives)
    first = objective.pool_codes.clone()
    train(training, range(6))
    assert torch.equal(objective.pool_codes, first)
    train(training, range(6, 7))  # renew=7
    assert not torch.equal(objective.pool_codes, first)
    torch.testing.assert_close(objective.pool_codes, objective.average.eval()(objective.pool))
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
