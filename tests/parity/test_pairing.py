"""A step computed in parts from the patches next to its points against the plain statement: whole crops, one graph."""

from collections.abc import Mapping

import pytest
import torch

from segpipe.nn.head import Head, drop_channels, new_head
from segpipe.stages.train.losses.correspondence import LossCrops, Shift, eagle_shifts, sample_groups
from segpipe.stages.train.objective_configs import StegoConfig
from segpipe.stages.train.objectives.objective import Patches
from segpipe.stages.train.objectives.stego import Stego
from tests.helpers.stego_loss import Term, stego_loss

D, DIM, S = 24, 7, 5
PUBLISHED = {"self": 0.08, "neighbor": 0.02, "negative": 0.66}

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def crops(count: int, rng: torch.Generator) -> Patches:
    """Unequal grids with patches without image, as they are stored."""
    grids = torch.stack([torch.randint(3, 9, (count,), generator=rng) for _ in range(2)], dim=1)
    length = int(grids.prod(1).max())
    valid = (torch.arange(length) < grids.prod(1, keepdim=True)) & (torch.rand(count, length, generator=rng) > 0.1)
    return Patches(torch.randn(count, length, D, generator=rng).half(), grids, valid)


def plain(
    head: Head,
    anchors: Patches,
    near: Patches | None,
    rng: torch.Generator,
    objective: Stego,
    clamps: tuple[bool, bool],
) -> tuple[torch.Tensor, dict[str, Term]]:
    """The loss of a step, every patch passed through the head."""

    def side(given: Patches) -> LossCrops:
        features = drop_channels(given.tokens.float() - head.mean, head.dropout, rng)
        return LossCrops(features, head(given.tokens.float(), rng), given.grids, given.valid)

    here = side(anchors)
    there = None if near is None else side(near)
    anchor, groups = sample_groups(here, there, rng, samples=S, negatives=objective.config.negatives)
    return stego_loss(
        anchor,
        groups,
        weights=objective.config.weights,
        shifts=objective.config.shifts,
        pointwise=objective.config.pointwise,
        zero_clamp=clamps[0],
        stabilize=clamps[1],
    )


@pytest.mark.parametrize("shifts", [PUBLISHED, eagle_shifts(0.11)], ids=["numbers", "eagle"])
@pytest.mark.parametrize("pointwise", [False, True])
@pytest.mark.parametrize("clamps", [(True, False), (False, True)])
@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("count", [1, 6])
def test_parts_give_the_loss_the_gradient_and_the_log_of_the_whole(
    shifts: Mapping[str, Shift], pointwise: bool, clamps: tuple[bool, bool], near: bool, count: int
) -> None:
    rng = torch.Generator().manual_seed(count)
    head = new_head(D, DIM, 0.1, seed=0).train()
    head.mean.copy_(torch.randn(D, generator=rng) * 0.1)
    objective = Stego(
        head,
        StegoConfig(
            shifts=shifts, samples=S, pointwise=pointwise, zero_clamp=clamps[0], stabilize=clamps[1], workers=2
        ),
        steps=1,
        seed=0,
    )
    anchors, neighbors = crops(count, rng), crops(count, rng) if near else None
    expected, terms = plain(head, anchors, neighbors, torch.Generator().manual_seed(5), objective, clamps)
    found, named = objective.loss(head, anchors, neighbors, torch.Generator().manual_seed(5), 0)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    slopes = [torch.autograd.grad(loss, [*head.parameters()]) for loss in (found, expected)]
    for ours, theirs in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-6 * float(theirs.abs().max()), rtol=0)
    seen = objective.correlations()
    means = {name: found.mean().double() for name, found in seen.items()}
    torch.testing.assert_close(objective.means(), means, atol=1e-6, rtol=0)
    assert named.keys() == terms.keys()
    assert seen.keys() == {f"{what}_{kind}" for what in ("code", "feature") for kind in terms}
    for kind, term in terms.items():
        torch.testing.assert_close(named[kind], term.loss.detach(), atol=1e-6, rtol=0)
        for what, whole in (("code", term.codes), ("feature", term.features)):
            ours, theirs = (values.flatten().sort().values for values in (seen[f"{what}_{kind}"], whole))
            torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)


def test_the_result_does_not_depend_on_threads() -> None:
    found = []
    for workers, threads in ((1, 1), (3, 2)):
        torch.set_num_threads(threads)
        rng = torch.Generator().manual_seed(0)
        head = new_head(D, DIM, 0.1, seed=0).train()
        objective = Stego(head, StegoConfig(samples=S, workers=workers), steps=1, seed=0)
        assert torch.get_num_threads() == threads
        loss, _ = objective.loss(head, crops(9, rng), crops(9, rng), rng, 0)
        found.append([loss.detach(), *torch.autograd.grad(loss, [*head.parameters()])])
    torch.set_num_threads(1)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
