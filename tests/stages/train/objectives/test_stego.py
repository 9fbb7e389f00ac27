"""STEGO on a drawn corpus: it learns, it can go on, and says how codes and features correlate."""

import numpy as np
import pytest
import torch

from segpipe.nn.head import linear_head
from segpipe.stages.train.objective_configs import StegoConfig
from segpipe.stages.train.objectives.stego import Stego
from tests.helpers.drawn_training import D, corpus, make

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_codes_that_are_the_features_correlate_as_they_do() -> None:
    """The loss is then that of the features alone: -F (F - shift) of every pair, each kind by its weight."""
    config = StegoConfig(samples=4, negatives=2, pointwise=False, zero_clamp=False)
    head = linear_head(np.eye(D), np.full(D, 0.1))
    objective = Stego(head, config, steps=1, seed=0)
    anchors, neighbors = corpus(0)[0], corpus(1)[0]
    total, parts = objective.loss(head, anchors, neighbors, torch.Generator().manual_seed(0), 0)
    found, expected = objective.correlations(), 0.0
    for kind, shift in config.shifts.items():
        codes, features = found[f"code_{kind}"], found[f"feature_{kind}"]
        torch.testing.assert_close(codes, features, atol=1e-5, rtol=0)
        part = -(features * (features - shift)).mean().item()
        assert parts[kind].item() == pytest.approx(part, abs=1e-5)
        expected += config.weights[kind] * part
    assert total.item() == pytest.approx(expected, abs=1e-5)
    assert found["code_self"].diagonal(dim1=1, dim2=3).allclose(torch.ones(()), atol=1e-5)  # a point with itself
    means = {name: mean.item() for name, mean in objective.means().items()}
    assert means == pytest.approx({name: values.mean().item() for name, values in found.items()}, abs=1e-5)


def test_kinds_are_those_of_which_there_are_pairs_and_nothing_is_said_before_a_step() -> None:
    head, objective, _ = make("stego")
    assert objective.means() == objective.correlations() == {}
    many, alone = corpus(0)[0], corpus(0, crops=1)[0]
    for given, near, kinds in (
        (many, many, ["self", "neighbor", "negative"]),
        (many, None, ["self", "negative"]),
        (alone, None, ["self"]),
    ):
        _, parts = objective.loss(head, given, near, torch.Generator().manual_seed(0), 0)
        assert [*parts] == kinds
        assert [*objective.means()] == [f"{what}_{kind}" for kind in kinds for what in ("code", "feature")]


def test_codes_more_similar_than_the_clamp_are_not_pulled_together_further() -> None:
    """Far from the mean all features point the same way, and so do the codes."""
    crops, slopes = corpus(0)[0], []
    for stabilize in (False, True):
        head = linear_head(np.eye(3, D), np.full(D, -20.0))
        objective = Stego(head, StegoConfig(samples=4, stabilize=stabilize), steps=1, seed=0)
        loss, _ = objective.loss(head, crops, None, torch.Generator().manual_seed(0), 0)
        assert objective.correlations()["code_negative"].min() > 0.8
        slopes.append(torch.autograd.grad(loss, head.linear.weight)[0].abs().max().item())
    assert slopes[0] > 1e-4
    assert slopes[1] == 0
