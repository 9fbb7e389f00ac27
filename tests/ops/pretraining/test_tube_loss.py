"""DoRA's loss: numbers that the authors' code gave on the same tensors.

github.com/shashankvkt/DoRA_ICLR24, `DINOLoss`, run once in float32 on these waves with temperatures .04 and .1.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from segpipe.ops.pretraining.tube_loss import TubeLoss, first_local, object_weights, tube_loss

CLIPS, FRAMES, OUTPUTS, CROPS, OBJECTS = 2, 3, 7, 4, 3
LOSS = 12.071505546569824
OBJECT_GRADIENTS = [4.025132656097412, 3.2959983348846436, 2.072648763656616]
CROP_GRADIENTS = [0.0, 3.7545971870422363, 3.693427324295044, 3.6082394123077393]
"""Sums of absolute values, of the scores of each object and of each small crop."""


def wave(shape: tuple[int, ...], one: float, other: float) -> Tensor:
    places = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)
    return torch.tensor(np.sin(one * places + other * np.sqrt(places + 1)), dtype=torch.float32)


def targets() -> Tensor:
    center = 0.3 * wave((OUTPUTS,), 0.5, 0.5)
    return torch.softmax((2 * wave((FRAMES, CLIPS, OUTPUTS), 0.9, 0.2) - center) / 0.04, dim=-1)


def scores() -> tuple[Tensor, Tensor]:
    """Of masked frames (k, T, B, K) and of small crops (crops, T, B, K)."""
    masked = torch.stack([1.2 * wave((FRAMES, CLIPS, OUTPUTS), 0.3 + 0.1 * j, 0.6) for j in range(OBJECTS)])
    local = (1.5 * wave((FRAMES, CROPS, CLIPS, OUTPUTS), 0.41, 0.8)).transpose(0, 1).contiguous()
    return masked.requires_grad_(), local.requires_grad_()


def loss_of(masked: Tensor, local: Tensor, rule: str) -> TubeLoss:
    counted = local[first_local(rule) :]  # type: ignore[arg-type]
    return tube_loss(targets(), (masked / 0.1).log_softmax(-1), (counted / 0.1).log_softmax(-1), rule)  # type: ignore[arg-type]


def test_the_coded_loss_and_its_gradients_are_those_of_the_authors_code() -> None:
    masked, local = scores()
    found = loss_of(masked, local, "coded")
    assert found.total.item() == pytest.approx(LOSS, rel=1e-6)
    found.total.backward()
    assert masked.grad is not None
    assert local.grad is not None
    assert masked.grad.abs().sum(dim=(1, 2, 3)).tolist() == pytest.approx(OBJECT_GRADIENTS, rel=1e-5)
    assert local.grad.abs().sum(dim=(1, 2, 3)).tolist() == pytest.approx(CROP_GRADIENTS, rel=1e-5)


def test_the_paper_s_loss_is_a_mean_over_objects_frames_and_all_crops() -> None:
    masked, local = scores()
    wanted = targets()
    each = []
    for thing in range(OBJECTS):
        for frame in range(FRAMES):
            cross = -(wanted[frame] * (masked[thing, frame] / 0.1).log_softmax(-1)).sum(-1).mean()
            small = [-(wanted[frame] * (crop[frame] / 0.1).log_softmax(-1)).sum(-1).mean() for crop in local]
            each.append((cross + torch.stack(small).mean()) / 2)
    found = loss_of(masked, local, "paper")
    assert found.total.item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-6)
    assert found.total.item() == pytest.approx((found.masked + found.local).item() / 2, rel=1e-6)


def test_weights_of_objects() -> None:
    assert object_weights(3, 8, "coded") == pytest.approx([(1 + 1 / 8 + 1 / 64) / 3, (1 + 1 / 8) / 3, 1 / 3])
    assert object_weights(3, 8, "paper") == pytest.approx([1 / 3] * 3)
