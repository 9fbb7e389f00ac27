"""Expected numbers were made by the original head (facebookresearch/dino) on the same tensors."""

import math
from typing import Any

import pytest
import timm
import torch

from segpipe.nn import positions
from segpipe.nn.projection_head import Headed, ProjectionHead, UnitRows


def wave(*shape: int, step: float) -> torch.Tensor:
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float32) * step).reshape(shape)


def filled_head() -> ProjectionHead:
    head = ProjectionHead(6, 7, hidden=8, bottleneck=4)
    with torch.no_grad():
        number = 0
        for name, parameter in head.named_parameters():
            if not name.endswith("lengths"):
                number += 1
                parameter.copy_(wave(*parameter.shape, step=0.1 + 0.13 * number))
    return head


def test_forward_and_gradients_are_the_originals() -> None:
    head, x = filled_head(), wave(3, 6, step=0.7).requires_grad_()
    y = head(x)
    wanted = [
        0.8453134298324585, -0.4354313313961029, -0.1744106411933899, 0.7274598479270935, -0.7163764238357544,
        0.12429238855838776, 0.46929699182510376,
    ]  # fmt: skip
    torch.testing.assert_close(y[0], torch.tensor(wanted), atol=1e-6, rtol=1e-5)
    y.square().sum().backward()
    assert x.grad is not None
    wanted = [
        0.029719490557909012, 0.021840935572981834, 0.012812092900276184, 0.0031084618531167507, -0.006758871488273144,
        -0.016270242631435394,
    ]  # fmt: skip
    torch.testing.assert_close(x.grad[1], torch.tensor(wanted), atol=1e-6, rtol=1e-4)
    assert head.last_layer.directions.grad is not None
    wanted = [-0.3280300199985504, -0.4002978801727295, -0.3522343039512634, -0.23255804181098938]
    torch.testing.assert_close(head.last_layer.directions.grad[2], torch.tensor(wanted), atol=1e-6, rtol=1e-4)


def test_first_weights_spread_as_the_originals() -> None:
    """There: standard deviation 0.02 and zero biases; last rows uniform up to 1/16 of a bottleneck of 256."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = ProjectionHead(192, 512)
    for place in (0, 2, 4):
        layer: Any = head.mlp[place]
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert not layer.bias.any()
    assert head.last_layer.directions.std().item() == pytest.approx(0.0361, rel=0.02)
    assert head.last_layer.directions.abs().max().item() == pytest.approx(0.0625, rel=0.01)
    assert not head.last_layer.lengths.requires_grad
    assert (head.last_layer.lengths == 1).all()


def test_free_lengths_scale_rows() -> None:
    layer = UnitRows(4, 3, fixed=False)
    assert layer.lengths.requires_grad
    x = wave(2, 4, step=0.3)
    before = layer(x)
    with torch.no_grad():
        layer.lengths *= 2
    torch.testing.assert_close(layer(x), 2 * before)


def test_views_of_several_sizes_come_one_after_the_other() -> None:
    model = Headed(timm.create_model("test_vit", num_classes=0, dynamic_img_size=True), ProjectionHead(64, 5)).eval()
    views = tuple(wave(2, 3, side, side, step=0.01 * side) for side in (48, 48, 32))
    with torch.no_grad():
        whole = model(views)
        each = torch.cat([model.head(model.features(view)) for view in views])
    assert whole.shape == (6, 5)
    torch.testing.assert_close(whole, each, atol=1e-5, rtol=1e-4)


def test_the_rule_of_positions_is_kept() -> None:
    model = Headed(timm.create_model("test_vit", num_classes=0, dynamic_img_size=True), ProjectionHead(64, 5)).eval()
    images = wave(1, 3, 48, 48, step=0.02)
    with torch.no_grad():
        plain = model.features(images)
        positions.set_rule(model.backbone, "timm", name="test_vit")
        torch.testing.assert_close(model.features(images), plain)
        positions.set_rule(model.backbone, "dino", name="test_vit")
        assert (model.features(images) - plain).abs().max() > 1e-5


def test_without_a_class_token_patches_are_averaged() -> None:
    vit = timm.create_model("test_vit", num_classes=0, class_token=False, global_pool="avg", dynamic_img_size=True)
    model = Headed(vit, ProjectionHead(64, 5)).eval()
    with torch.no_grad():
        images = wave(1, 3, 48, 48, step=0.02)
        tokens = model.tokens(images)
        assert tokens.shape == (1, 9, 64)
        torch.testing.assert_close(model.features(images), tokens.mean(dim=1))
