"""Expected numbers were made by the original code (facebookresearch/dino, utils.py)."""

import pytest
import timm
import torch
from torch import nn

from segpipe.nn.pretraining.updates import clip_each, follow, parameter_groups
from segpipe.nn.projection_head import Headed, ProjectionHead


def wave(*shape: int, step: float = 0.37) -> torch.Tensor:
    return torch.sin(torch.arange(torch.Size(shape).numel(), dtype=torch.float32) * step).reshape(shape)


def test_each_gradient_is_clipped_as_the_originals() -> None:
    model = nn.Linear(3, 2)
    model.weight.grad, model.bias.grad = wave(2, 3) * 5, wave(2)
    whole = clip_each(model, 3.0)
    assert whole == pytest.approx((9.087814331054688**2 + 0.36161544919013977**2) ** 0.5)
    wanted = [
        [0.0, 0.5968685746192932, 1.112953782081604],
        [1.4784058332443237, 1.6437628269195557, 1.5866440534591675],
    ]
    torch.testing.assert_close(model.weight.grad, torch.tensor(wanted))
    torch.testing.assert_close(model.bias.grad, torch.tensor([0.0, 0.36161544919013977]))


def test_nothing_is_clipped_at_0_and_without_gradients() -> None:
    model = nn.Linear(3, 2)
    assert clip_each(model, 3.0) == 0.0
    model.weight.grad = wave(2, 3) * 5
    clip_each(model, 0.0)
    torch.testing.assert_close(model.weight.grad, wave(2, 3) * 5)


def test_groups_hold_as_many_weights_as_the_originals() -> None:
    """In the original of a ViT-Ti/16 with a head of 64: 55 tensors decay, of 10,622,080 weights; 102 do not."""
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    model = Headed(vit, ProjectionHead(192, 64))
    decaying, plain = parameter_groups(model)
    assert plain["weight_decay"] == 0.0
    counts = [(len(group["params"]), sum(each.numel() for each in group["params"])) for group in (decaying, plain)]
    assert counts == [(55, 10_622_080), (102, 34_880)]


def test_teacher_moves_toward_the_student() -> None:
    teacher, student = nn.Linear(2, 2), nn.Linear(2, 2)
    before = teacher.weight.detach().clone()
    follow(teacher, student, momentum=0.75)
    torch.testing.assert_close(teacher.weight, 0.75 * before + 0.25 * student.weight)
    follow(teacher, student, momentum=0.0)
    torch.testing.assert_close(teacher.bias, student.bias)
