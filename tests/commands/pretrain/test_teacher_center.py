"""The teacher's center over micro-batches, processes and checkpoints."""

import pytest
import torch

from segpipe.commands.pretrain.teacher_center import TeacherCenter
from tests.helpers.tiny_headed import SmallOptions


def made(**given: float) -> TeacherCenter:
    return TeacherCenter(SmallOptions(**given), outputs=4, steps=10, device="cpu")


def scores(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed))


def test_the_center_moves_toward_the_mean_of_all_micro_batches() -> None:
    center, one, other = made(), scores(3, 0), scores(5, 1)
    center.targets(one, 0)
    center.targets(other, 0)
    center.move(lambda tensor: tensor)
    assert torch.allclose(center.center, 0.1 * torch.cat([one, other]).mean(dim=0), atol=1e-6)
    center.targets(one, 1)
    center.move(lambda tensor: tensor)
    wanted = 0.09 * torch.cat([one, other]).mean(dim=0) + 0.1 * one.mean(dim=0)
    assert torch.allclose(center.center, wanted, atol=1e-6)


def test_processes_with_parts_of_a_step_come_to_the_same_center() -> None:
    parts = [made(), made()]
    for part, seed in zip(parts, (0, 1), strict=True):
        part.targets(scores(4, seed), 0)
    sums = [[part._sum.clone(), part._seen.clone()] for part in parts]
    for part in parts:
        whole = iter([sums[0][0] + sums[1][0], sums[0][1] + sums[1][1]])
        part.move(lambda _, whole=whole: next(whole))  # type: ignore[misc]
    assert torch.equal(parts[0].center, parts[1].center)
    assert torch.allclose(parts[0].center, 0.1 * torch.cat([scores(4, 0), scores(4, 1)]).mean(dim=0), atol=1e-6)


def test_targets_are_centered_and_sharpened() -> None:
    center = made()
    center.load_state({"center": torch.tensor([1.0, 0.0, 0.0, 0.0])})
    found, figures = center.targets(torch.tensor([[1.0, 0.04, 0.0, 0.0]]), 0)
    assert found[0].tolist() == pytest.approx((torch.tensor([0.0, 1.0, 0.0, 0.0]).exp() / (3 + torch.e)).tolist())
    assert figures["entropy"] == pytest.approx(figures["mean_entropy"])


def test_the_temperature_warms_up() -> None:
    center = made(teacher_temp=0.07, teacher_temp_warmup=0.3)
    assert [round(center.temperature(step), 3) for step in range(5)] == [0.04, 0.055, 0.07, 0.07, 0.07]


def test_a_checkpoint_holds_the_center() -> None:
    one, other = made(), made()
    one.targets(scores(3, 0), 0)
    one.move(lambda tensor: tensor)
    other.load_state(one.state())
    assert torch.equal(one.center, other.center)
