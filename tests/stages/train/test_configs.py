"""Recipes of candidates, and the objective that each method is trained with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segpipe.base.runtime import Runtime
from segpipe.nn.head import drop_channels, drop_values
from segpipe.stages import train
from segpipe.stages.train.configs import find_shifts, first_recipe, new_training
from segpipe.stages.train.objectives import Cause, HiddenPositives, Smooseg, Stego
from tests.stages.train.test_train import mined

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_corrections_go_up_the_ladder_and_end() -> None:
    recipe = first_recipe("stego", center=False, measured=False)
    tried = []
    while recipe is not None:
        tried.append((recipe.name, recipe.center, recipe.quantile))
        recipe = recipe.corrected()
    assert tried == [
        ("stego", False, None),
        ("stego-2", True, 0.9),
        ("stego-3", True, 0.95),
        ("stego-4", True, 0.98),
    ]
    assert first_recipe("hp", center=True, measured=True).corrected() is None
    again = first_recipe("cause", center=False, measured=True).corrected()
    assert again is not None
    assert (again.name, again.center) == ("cause-2", True)


def test_every_method_gets_its_objective_and_its_learning_rate(tmp_path: Path) -> None:
    config = train.Config(batch=2, shifts="published", shift_self=0.3)
    shared, data = train.training_config(config), train.open_material(config, mined(tmp_path, images=4))
    expected = {
        "stego": (Stego, 5e-4),
        "smooseg": (Smooseg, 1e-4),
        "cause": (Cause, 1e-3),
        "hp": (HiddenPositives, 5e-4),
    }
    for method, (kind, lr) in expected.items():
        recipe = first_recipe(method, center=True, measured=False)  # type: ignore[arg-type]
        shifts = find_shifts(recipe, shared, data)
        head, objective, optimizer = new_training(recipe, shared, shifts, data, Runtime())
        assert type(objective) is kind
        assert (head.in_dim, head.dim, optimizer.param_groups[0]["lr"]) == (16, kind.DIM, lr)
        assert head.dropout == (0.2 if kind is Smooseg else 0.1)
        assert head.activation == ("silu" if kind is Smooseg else "relu")
        assert head.drop is (drop_values if kind is Cause else drop_channels)
        assert shifts == ({"self": 0.3, "neighbor": 0.02, "negative": 0.66} if kind is Stego else {})
    small = train.training_config(train.Config(codebook=12))
    _, cause, _ = new_training(first_recipe("cause", center=True, measured=False), small, {}, data, Runtime())
    assert isinstance(cause, Cause)
    assert (len(cause.codebook), cause.projection.out_features) == (12, 12)
    recipe = first_recipe("stego", center=True, measured=False)
    given = replace(shared, shifts={}, shift_bias=0.11, dropout=0.3)
    head, eagle, _ = new_training(recipe, given, {}, data, Runtime())
    assert isinstance(eagle, Stego)
    assert eagle.config.stabilize
    assert head.dropout == 0.3
    means = torch.tensor(0.5), torch.tensor(0.2)
    found = {kind: shift(*means).item() for kind, shift in eagle.config.shifts.items()}  # type: ignore[operator]
    assert found == pytest.approx({"self": 0.19, "neighbor": 0.19, "negative": 3.5 * 0.59})
