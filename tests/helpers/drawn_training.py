"""Short trainings of each objective on a drawn corpus: three directions with noise, unequal grids, missing patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

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


class Training(NamedTuple):
    """What a step changes."""

    head: Head
    objective: Objective
    optimizer: torch.optim.Adam


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


def patches(count: int, number: int) -> torch.Tensor:
    """Patches of drawn crops, other ones for each number."""
    crops, _ = corpus(1000 + number, 32)
    return crops.tokens[crops.valid][:count]


def make(name: str) -> Training:
    """A head and its objective before step 0."""
    config, lr = CONFIGS[name]
    method = OBJECTIVES[name]
    head = new_head(D, DIM, 0.1, seed=1, activation=method.ACTIVATION, whole_channels=method.WHOLE_CHANNELS).train()
    objective = method(head, config, steps=STEPS, seed=2)
    objective.patches = patches
    objective.start(head)
    return Training(head, objective, torch.optim.Adam(objective.groups(head, lr)))


def train(training: Training, steps: range, batch: Callable[[int], Patches] | None = None) -> list[float]:
    """The losses of some steps, each on crops of its own unless `batch` makes them."""
    head, objective, optimizer = training
    losses = []
    for step in steps:
        rng = torch.Generator().manual_seed(step)
        crops = batch(step) if batch else corpus(step)[0]
        loss, named = objective.loss(head, crops, None, rng, step)
        assert all(not part.requires_grad and part.isfinite() for part in named.values())
        optimizer.zero_grad()
        loss.backward()
        objective.clip_gradients(optimizer)
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


def learn(name: str) -> tuple[list[float], float]:
    """The losses of the last half of a training, and by how much it raised the separation of directions.

    A method may change its loss once on the way.
    """
    training = make(name)
    before = separation(training.head)
    losses = train(training, range(STEPS))
    return losses[-STEPS // 2 :], separation(training.objective.final(training.head)) - before


def states(training: Training) -> dict[str, torch.Tensor]:
    """All that is trained or kept."""
    held = {"head": training.head, "objective": training.objective}
    return {f"{one}.{key}": value for one, module in held.items() for key, value in module.state_dict().items()}


def differing(name: str, middles: tuple[int, ...] = (0, 25, 45), steps: int = 50) -> list[tuple[int, str]]:
    """What ends otherwise in a training that goes on from the state of another at a step, and that step."""
    whole, found = make(name), []
    train(whole, range(steps))
    expected = states(whole)
    for middle in middles:
        first, second = make(name), make(name)
        train(first, range(middle))
        for source, target in zip(first, second, strict=True):
            target.load_state_dict({**source.state_dict()})
        train(second, range(middle, steps))
        ended = states(second)
        assert ended.keys() == expected.keys()
        found += [(middle, key) for key, value in ended.items() if not torch.equal(value, expected[key])]
    return found


def influence_of_missing_patches(name: str) -> float:
    """How far apart heads end whose crops differ where patches show no image."""
    heads = []
    for filler in (7.0, -2.0):

        def batch(step: int, filler: float = filler) -> Patches:
            crops, _ = corpus(step)
            crops.tokens[~crops.valid] = filler
            return crops

        training = make(name)
        train(training, range(25, 45), batch)
        heads.append(training.head.state_dict())
    return max(float((tensor - heads[1][key]).abs().max()) for key, tensor in heads[0].items())
