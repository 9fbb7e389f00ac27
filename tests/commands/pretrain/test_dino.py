"""The method on its own: views, center over micro-batches and processes, state."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segpipe.base.options import make
from segpipe.commands.pretrain.dino import Dino
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.nn.pretraining.self_distillation import distill, teacher_probabilities
from tests.helpers.photos import TINY

NORM = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PICTURE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


class Scores(torch.nn.Module):
    """A network whose answers are the mean colors of views, and two more."""

    def forward(self, views: tuple[Tensor, ...]) -> Tensor:
        means = torch.cat([view.mean(dim=(2, 3)) for view in views])
        return torch.cat([means, 2 * means[:, :1], 0.5 * means[:, 1:2]], dim=1)


def method(**more: object) -> Dino:
    options = make(PretrainOptions, {"images": "photos", "out": "own", **TINY, "local_crops": 2, **more})
    return Dino(lambda item: np.roll(PICTURE, item), 3, options, NORM, outputs=5, steps=10, device="cpu")


def batch(made: Dino, *items: int) -> tuple[Tensor, ...]:
    return made.collate([made.views(item, np.random.default_rng(item)) for item in items])


def test_views_are_stacked_item_by_item() -> None:
    made = method()
    assert len(made) == 3
    parts = batch(made, 0, 2)
    assert [tuple(part.shape) for part in parts] == [(2, 3, 48, 48)] * 2 + [(2, 3, 32, 32)] * 2
    first = made.views(2, np.random.default_rng(2))
    assert all(torch.equal(part[1], view) for part, view in zip(parts, first, strict=True))
    pair = made.pair(1, np.random.default_rng(0))
    assert [tuple(view.shape) for view in pair] == [(3, 48, 48)] * 2
    assert len(made.captions()) == len(made.pictures(first)) == 4


def test_loss_is_that_of_all_views_against_the_large_ones() -> None:
    made, net = method(), Scores()
    parts = batch(made, 0, 1)
    loss, figures = made.loss(net, net, parts, 0, np.random.default_rng(0))
    scores = net(parts).view(4, 2, 5)
    targets = teacher_probabilities(scores[:2], torch.zeros(5), temperature=0.04)
    wanted = distill(scores, targets, student_temperature=0.1)
    torch.testing.assert_close(loss, wanted)
    assert 0 <= figures["entropy"] <= figures["mean_entropy"] <= np.log(5) + 1e-5


def test_the_center_sees_all_micro_batches_and_processes() -> None:
    whole, parts, net = method(), method(), Scores()
    whole.loss(net, net, batch(whole, 0, 1), 0, np.random.default_rng(0))
    whole.after_step(0, lambda tensor: tensor)
    for item in (0, 1):
        parts.loss(net, net, batch(parts, item), 0, np.random.default_rng(0))
    parts.after_step(0, lambda tensor: 2 * tensor)  # two processes that saw the same
    torch.testing.assert_close(parts.state()["center"], whole.state()["center"])
    scores = net(batch(whole, 0, 1)[:2])
    torch.testing.assert_close(whole.state()["center"], 0.1 * scores.mean(dim=0))


def test_the_center_is_the_state() -> None:
    made, other, net = method(), method(), Scores()
    made.loss(net, net, batch(made, 0), 0, np.random.default_rng(0))
    made.after_step(0, lambda tensor: tensor)
    other.load_state({name: value.clone() for name, value in made.state().items()})
    torch.testing.assert_close(other.state()["center"], made.state()["center"])


def test_the_temperature_of_the_teacher_moves() -> None:
    made = method(teacher_temp=0.07, teacher_temp_warmup=0.5)
    found = [made.figures(step)["teacher_temperature"] for step in range(7)]
    assert found == pytest.approx([0.04, 0.0475, 0.055, 0.0625, 0.07, 0.07, 0.07])
