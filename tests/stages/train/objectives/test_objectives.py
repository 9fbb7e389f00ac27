"""Each objective on a small drawn corpus: three directions with noise, unequal grids, patches without image."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from segpipe.nn.head import Head, new_head
from segpipe.stages.train.objective_configs import (
    CauseConfig,
    HiddenPositivesConfig,
    ObjectiveConfig,
    SmoosegConfig,
    StegoConfig,
)
from segpipe.stages.train.objectives import OBJECTIVES
from segpipe.stages.train.objectives.objective import Objective, Patches

D, DIM, STEPS = 24, 12, 60
CONFIGS: dict[str, tuple[ObjectiveConfig, float]] = {
    "stego": (StegoConfig(samples=5, shifts={"self": 0.2, "neighbor": 0.2, "negative": 0.3}), 5e-4),
    "smooseg": (SmoosegConfig(prototypes=3, shift_self=0.2), 1e-3),
    "cause": (CauseConfig(codes=24, projection=32, block=2, bank=30, clip=1.0, keep=0.9), 3e-3),
    "hp": (HiddenPositivesConfig(pool=64, warmup=20, renew=7, keep=0.95, kept=0.5), 1e-3),
}
"""Of each method the settings, and the learning rate of the head."""

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def corpus(seed: int, crops: int = 6) -> tuple[Patches, torch.Tensor]:
    """Crops, and the direction of every patch: bands of three directions, with as much noise as signal."""
    rng = torch.Generator().manual_seed(seed)
    directions = functional.normalize(torch.randn(3, D, generator=torch.Generator().manual_seed(99)), dim=1)
    grids = torch.stack([torch.randint(5, 9, (crops,), generator=rng) for _ in range(2)], dim=1)
    length = int(grids.prod(1).max())
    labels = (torch.arange(length) * 3 // length + torch.randint(3, (crops, 1), generator=rng)) % 3
    noise = torch.randn(crops, length, D, generator=rng) * 0.8 / D**0.5
    tokens = directions[labels] * (0.5 + torch.rand(crops, length, 1, generator=rng)) + noise
    valid = torch.arange(length) < grids.prod(1, keepdim=True)
    valid &= torch.rand(valid.shape, generator=rng) > 0.1
    tokens[~valid] = 7.0  # must not matter
    return Patches(tokens, grids, valid), labels


def make(name: str) -> tuple[Head, Objective, torch.optim.Adam]:
    config, lr = CONFIGS[name]
    head = new_head(D, DIM, 0.1, seed=1).train()
    objective = OBJECTIVES[name](head, config, steps=STEPS, seed=2)
    crops, _ = corpus(1000, 32)
    picked = crops.tokens[crops.valid][: objective.sample]
    objective.start(head, picked)
    return head, objective, torch.optim.Adam(objective.groups(head, lr))


def train(
    parts: tuple[Head, Objective, torch.optim.Adam], steps: range, batch: Callable[[int], Patches] | None = None
) -> list[float]:
    head, objective, optimizer = parts
    losses = []
    for step in steps:
        rng = torch.Generator().manual_seed(step)
        crops = batch(step) if batch else corpus(step)[0]
        loss, named = objective.loss(head, crops, None, rng, step)
        assert all(not part.requires_grad and part.isfinite() for part in named.values())
        optimizer.zero_grad()
        loss.backward()
        if objective.clip is not None:
            held = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(held, objective.clip)
        optimizer.step()
        objective.after_step(head, step)
        losses.append(loss.item())
    return losses


def separation(head: Head) -> float:
    """Mean cosine of codes of one direction minus that of different directions, on crops never seen."""
    crops, labels = corpus(5000)
    with torch.inference_mode():
        codes = functional.normalize(head(crops.tokens[crops.valid]), dim=1)
    cosines, same = codes @ codes.T, labels[crops.valid][:, None] == labels[crops.valid]
    return float(cosines[same].mean() - cosines[~same].mean())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_training_lowers_the_loss_and_separates_directions(name: str) -> None:
    parts = make(name)
    before = separation(parts[0])
    losses = train(parts, range(STEPS))
    last = losses[-STEPS // 2 :]  # a method may change its loss once on the way
    assert sum(last[-5:]) < sum(last[:5])
    assert separation(parts[1].final(parts[0])) > before + 0.2


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("middle", [0, 25, 45])
def test_a_training_that_goes_on_from_its_state_ends_with_the_same_bits(name: str, middle: int) -> None:
    whole, first, second = (make(name) for _ in range(3))
    train(whole, range(50))
    train(first, range(middle))
    for source, target in zip(first, second, strict=True):
        target.load_state_dict({**source.state_dict()})
    train(second, range(middle, 50))
    for one, other in zip(whole[:2], second[:2], strict=True):
        states = one.state_dict(), other.state_dict()
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("name", sorted(OBJECTIVES.keys() - {"stego"}))  # it reads points between patches, as published
def test_patches_without_image_take_no_part(name: str) -> None:
    heads = []
    for filler in (7.0, -2.0):

        def batch(step: int, filler: float = filler) -> Patches:
            crops, _ = corpus(step)
            crops.tokens[~crops.valid] = filler
            return crops

        parts = make(name)
        train(parts, range(25, 45), batch)
        heads.append(parts[0].state_dict())
    for key, tensor in heads[0].items():
        torch.testing.assert_close(tensor, heads[1][key], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_one_crop_or_none_valid_is_no_error(name: str) -> None:
    parts = make(name)
    crops, _ = corpus(3, crops=1)
    dark = Patches(crops.tokens, crops.grids, crops.valid & False)
    for step, given in enumerate([crops, dark]):
        for at in (step, STEPS - 1):
            loss, _ = parts[1].loss(parts[0], given, None, torch.Generator().manual_seed(0), at)
            assert loss.isfinite()
            loss.backward()
