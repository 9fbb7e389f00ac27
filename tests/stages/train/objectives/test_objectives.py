"""What holds for every method of the table; each has its own tests beside this."""

import pytest
import torch

from segpipe.stages.train.objectives import OBJECTIVES
from segpipe.stages.train.objectives.objective import Patches
from tests.helpers.drawn_training import STEPS, corpus, make

pytestmark = pytest.mark.usefixtures("one_torch_thread")


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
