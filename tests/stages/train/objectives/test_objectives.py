"""What holds for every method of the table; each has its own tests beside this."""

import pytest
import torch

from segpipe.stages.train.objectives import OBJECTIVES
from segpipe.stages.train.objectives.objective import Patches
from tests.helpers.drawn_training import STEPS, corpus, differing, influence_of_missing_patches, learn, make

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_training_lowers_the_loss_and_separates_directions(name: str) -> None:
    losses, gained = learn(name)
    assert sum(losses[-5:]) < sum(losses[:5])
    assert gained > 0.2


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_training_that_goes_on_from_its_state_ends_with_the_same_bits(name: str) -> None:
    assert differing(name) == []


@pytest.mark.parametrize("name", sorted(OBJECTIVES.keys() - {"stego"}))  # it reads points between patches, as published
def test_patches_without_image_take_no_part(name: str) -> None:
    assert influence_of_missing_patches(name) < 1e-5


@pytest.mark.parametrize("name", OBJECTIVES)
def test_one_crop_or_none_valid_is_no_error(name: str) -> None:
    training = make(name)
    crops, _ = corpus(3, crops=1)
    dark = Patches(crops.tokens, crops.grids, crops.valid & False)
    for step, given in enumerate([crops, dark]):
        for at in (step, STEPS - 1):
            loss, _ = training.objective.loss(training.head, given, None, torch.Generator().manual_seed(0), at)
            assert loss.isfinite()
            loss.backward()
