"""Expected numbers were made by the original code (facebookresearch/dino, main_dino.py) on the same tensors."""

import math

import pytest
import torch

from segpipe.nn.pretraining.self_distillation import distill, entropies, move_center, teacher_probabilities


def wave(*shape: int, step: float = 0.37) -> torch.Tensor:
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float32) * step).reshape(shape)


def test_loss_and_gradient_are_the_originals() -> None:
    student = (wave(12, 5) * 0.2).view(4, 3, 5).requires_grad_()
    teacher = (wave(6, 5, step=0.91) * 0.2).view(2, 3, 5)
    targets = teacher_probabilities(teacher, torch.zeros(5), temperature=0.055)
    loss = distill(student, targets, student_temperature=0.1)
    loss.backward()
    assert abs(loss.item() - 1.9700860977172852) < 1e-6
    assert student.grad is not None
    wanted = [
        0.08812704682350159,
        0.1406887173652649,
        -0.03582746535539627,
        -0.14254236221313477,
        -0.050445858389139175,
    ]
    torch.testing.assert_close(student.grad[2, 1], torch.tensor(wanted), atol=1e-6, rtol=1e-5)
    wanted = [-0.22412864863872528, -0.22223779559135437, 0.081887386739254, 0.16358482837677002, 0.20089425146579742]
    torch.testing.assert_close(student.grad[0, 0], torch.tensor(wanted), atol=1e-6, rtol=1e-5)


def test_center_is_the_originals_over_two_steps() -> None:
    teacher = wave(6, 5, step=0.91) * 0.2
    center = move_center(torch.zeros(5), teacher.mean(dim=0), momentum=0.9)
    wanted = [-0.00359001243, -0.00107317464, 0.00227270578, 0.00386289763, 0.0024689741]
    torch.testing.assert_close(center, torch.tensor(wanted), atol=1e-8, rtol=1e-5)
    student = (wave(12, 5) * 0.2).view(4, 3, 5)
    targets = teacher_probabilities((teacher * 1.5).view(2, 3, 5), center, temperature=0.07)
    loss = distill(student, targets, student_temperature=0.1)
    assert abs(loss.item() - 1.9597221612930298) < 1e-6
    center = move_center(center, (teacher * 1.5).mean(dim=0), momentum=0.9)
    wanted = [-0.00861602928, -0.00257561915, 0.00545449415, 0.00927095395, 0.00592553802]
    torch.testing.assert_close(center, torch.tensor(wanted), atol=1e-8, rtol=1e-5)


def test_entropies_tell_both_kinds_of_collapse() -> None:
    uniform = torch.full((6, 8), 1 / 8)
    same = torch.eye(8)[[3] * 6]
    assert entropies(uniform) == pytest.approx((math.log(8), math.log(8)))
    assert entropies(same) == (0.0, 0.0)
    sharp, spread = entropies(torch.eye(8))
    assert sharp == 0
    assert abs(spread - math.log(8)) < 1e-6


def test_teacher_is_centered_before_it_is_sharpened() -> None:
    scores = torch.tensor([[1.0, 2.0]])
    found = teacher_probabilities(scores, torch.tensor([0.0, 1.0]), temperature=0.5)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5]]))
