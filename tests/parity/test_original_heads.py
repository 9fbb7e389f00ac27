"""Whole steps of SmooSeg, CAUSE and hidden positives against numbers that their original code printed.

The same features, weights, draws and permutations were given to the code of the authors (mc-lan/SmooSeg,
ByungKwanLee/Causal-Unsupervised-Segmentation, hynnsk/HP). A step is seen whole: activation, what is dropped and where,
the order of running means, clipping, weight decay.
"""

import numpy as np
import pytest
import torch

from segpipe.nn.head import new_head
from segpipe.stages.train.losses import hidden_positive_loss as hp
from segpipe.stages.train.objective_configs import CauseConfig, HiddenPositivesConfig, SmoosegConfig
from segpipe.stages.train.objectives import Cause, HiddenPositives, Smooseg, smooseg
from segpipe.stages.train.objectives.objective import Objective, Patches
from tests.helpers.original_inputs import fill, filled, fixed, mark, wave

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def crops(tokens: torch.Tensor, rows: int) -> Patches:
    """Crops of one size, all of whose patches show image."""
    count, length = tokens.shape[:2]
    grids = torch.tensor([[rows, length // rows]]).repeat(count, 1)
    return Patches(tokens, grids, torch.ones(count, length, dtype=torch.bool))


def head_of(method: type[Objective], in_dim: int, dim: int) -> tuple:
    made = new_head(
        in_dim, dim, method.DROPOUT, seed=0, activation=method.ACTIVATION, whole_channels=method.WHOLE_CHANNELS
    )
    head = filled(made)
    return head, [parameter.detach().clone() for parameter in head.parameters()]


def step(objective: Objective, head: torch.nn.Module, optimizer: torch.optim.Adam, crops: Patches, at: int) -> float:
    loss, _ = objective.loss(head, crops, None, torch.Generator(), at)
    optimizer.zero_grad()
    loss.backward()
    objective.clip_gradients(optimizer)
    optimizer.step()
    objective.after_step(head, at)
    return loss.item()


def moved(now: list[torch.Tensor], before: list[torch.Tensor]) -> list[float]:
    return [mark(tensor.detach() - first) for tensor, first in zip(now, before, strict=True)]


def test_three_steps_of_smooseg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smooseg, "other_indices", lambda generator, count: torch.tensor([2, 0, 1]))
    head, before = head_of(Smooseg, 6, 4)
    config = SmoosegConfig(prototypes=5, keep=0.9)
    objective = Smooseg(head, config, steps=3, seed=0)
    with torch.no_grad():
        objective.prototypes.copy_(torch.nn.functional.normalize(wave(5, 4, phase=30), dim=1))
    objective.average.copy_(objective.prototypes.detach())
    before += [objective.prototypes.detach().clone(), objective.average.clone()]
    optimizer = torch.optim.Adam(objective.groups(head, 0.05))
    losses = []
    for at in range(3):
        fixed(monkeypatch, [3 * at, 3 * at + 1, 3 * at + 2])
        losses.append(step(objective, head, optimizer, crops(wave(3, 12, 6, phase=1), 3), at))
    assert losses == pytest.approx([0.675097, 0.594248, 0.603528], abs=2e-5)
    assert moved([*head.parameters(), objective.prototypes, objective.average], before) == pytest.approx(
        [0.163309, 0.06652, 0.324105, 0.070839, 0.116355, 0.06652, -0.096956, -0.006995], abs=5e-5
    )
    assert mark(head.eval()(wave(3, 12, 6, phase=1))) == pytest.approx(0.17231, abs=1e-4)
    assert (Smooseg.LR, Smooseg.DROPOUT, config.lr_ratio, config.shift_self) == (1e-4, 0.2, 5, -0.02)


def test_two_steps_of_causes_codebook_and_three_of_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randperm", lambda count, **_: torch.arange(count))
    head, before = head_of(Cause, 6, 4)
    config = CauseConfig(codes=7, projection=5, block=1, keep=0.9, warmup=0.4)
    objective = Cause(head, config, steps=5, seed=0)
    fill(objective.projection.parameters(), 50)
    objective.start(head)
    before += [p.detach().clone() for p in objective.projection.parameters()]
    with torch.no_grad():
        objective.codebook.copy_(wave(7, 6, phase=40) / 7)
    for ours, theirs in zip(objective.teacher_projection.parameters(), objective.projection.parameters(), strict=True):
        ours.data.copy_(theirs)
    optimizer = torch.optim.Adam(objective.groups(head, 0.01))
    given, losses = crops(wave(3, 16, 6, phase=1) + 0.3, 4), []
    for at in range(5):
        drawn = [4 * (at - 2) + i for i in range(4)]
        fixed(monkeypatch, [99] if at < 2 else [99, *drawn])  # the first draw picks the only patch of each block
        losses.append(step(objective, head, optimizer, given, at))
        if at == 1:
            assert mark(objective.codebook) == pytest.approx(0.125475, abs=2e-5)
    assert losses == pytest.approx([-0.078374, -0.099851, 4.817602, 4.377267, 4.28202], abs=5e-5)
    assert len(objective.bank_ids) == 66
    after = [*head.parameters(), *objective.projection.parameters(), *objective.teacher.parameters()]
    assert moved(after, before + before[:6]) == pytest.approx(
        [
            *(0.069015, 0.029811, 0.067475, -0.00916, 0.004218, 0.029843, -0.187666, 0.065892),
            *(0.048028, 0.012279, 0.031764, -0.006369, 0.012123, 0.012283),
        ],
        abs=5e-5,
    )
    assert (CauseConfig().codes, CauseConfig().projection) == (2048, 2048)


def test_the_pools_and_two_steps_of_hidden_positives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The original ran with pools in single precision (it has half), and with the features' cosines as attention."""
    dim, features = 4, wave(6, 16, 384, phase=1)
    features = features + 0.8 * features[:, :1] + 0.5
    places = {0: [3, 7, 11, 14], 1: [0, 5, 9, 12]}
    head, before = head_of(HiddenPositives, 384, dim)
    config = HiddenPositivesConfig(pool=4, renew=1, warmup=0, keep=0.9, clip=0.05)
    objective = HiddenPositives(head, config, steps=2, seed=0)
    objective.patches = lambda count, number: features[2 + np.arange(count), places[number]]
    fill(objective.projection.parameters(), 50)
    before += [p.detach().clone() for p in objective.projection.parameters()]
    fixed(monkeypatch, [14, 11, 13, 15])
    objective.start(head)
    pools = [torch.nn.functional.normalize(pool, dim=1) for pool in (objective.pool, objective.pool_codes)]
    assert [mark(pool) for pool in pools] == pytest.approx([-0.391162, -0.756895], abs=1e-4)
    optimizer, given, losses = torch.optim.Adam(objective.groups(head, 0.01)), crops(features[:2], 4), []
    for at in range(2):
        places[1] = [1, 6, 10, 15]
        renewed = [31, 33, 35] if at else []
        fixed(monkeypatch, [*renewed, *(7 * at + role for role in (0, 2, 1, 3, 4, 5, 6))])
        losses.append(step(objective, head, optimizer, given, at))
    renewed = mark(torch.nn.functional.normalize(objective.pool_codes, dim=1))
    assert renewed == pytest.approx(-1.310156, abs=1e-4)
    assert losses == pytest.approx([18.552317, 17.716497], rel=1e-5)
    after = [*head.parameters(), *objective.projection.parameters(), *objective.average.parameters()]
    assert moved(after, before + before[:6]) == pytest.approx(
        [
            *(-0.045401, -0.003467, 0.626104, 0.128247, 0.147253, -0.001443, -0.013972, -0.012294),
            *(-0.026793, 0.000406, -0.086725, 0.004794, 0.002743, 0.000508),
        ],
        abs=5e-4,
    )


def test_codes_mixed_with_their_neighbors(monkeypatch: pytest.MonkeyPatch) -> None:
    features = wave(6, 16, 384, phase=1)
    features = (features + 0.8 * features[:, :1] + 0.5)[:2]
    head, _ = head_of(HiddenPositives, 384, 4)
    given = crops(features, 4)
    fixed(monkeypatch, [0, 2, 6])
    codes = head(features, torch.Generator())
    mixed = head.drop(hp.mix_neighbors(codes, features, given.valid, given.grids), 0.1, torch.Generator())
    assert mark(mixed) == pytest.approx(-12.643525, abs=1e-3)
