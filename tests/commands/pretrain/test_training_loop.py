"""The loop: micro-batches add up to a batch, what is frozen, what is logged, items that cannot be read, collapse."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segpipe.base.errors import MachineError
from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.pretrain.dino import Dino
from segpipe.commands.pretrain.history import TrainingHistory
from segpipe.commands.pretrain.method import Judgement
from segpipe.commands.pretrain.networks import find_start, make_pair
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.state import Training
from segpipe.commands.pretrain.training_loop import Loop
from segpipe.commands.pretrain.training_plan import make_plan
from segpipe.images.headers import BadImage
from segpipe.nn.pretraining.updates import parameter_groups
from tests.helpers.photos import TINY

pytestmark = pytest.mark.usefixtures("one_torch_thread")
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), dtype=np.uint8)
NORM = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def make_loop(read: Any = PICTURES.__getitem__, **values: object) -> Loop:
    options = make(PretrainOptions, {"images": "photos", "out": "own", **TINY, "warmup": 0.0, **values})
    plan = make_plan(options, 3, processes=1, gpu=False, precision="float32", earlier={})
    student, teacher, _ = make_pair(find_start(options), options, outputs=plan.outputs, device="cpu")
    method = Dino(read, 3, options, NORM, outputs=plan.outputs, steps=plan.steps, device="cpu")
    training = Training(student, teacher, torch.optim.AdamW(parameter_groups(student)))
    return Loop(method, training, options, plan, "cpu", 2)


def weights(loop: Loop) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in loop.training.student.parameters()])


def test_micro_batches_add_up_to_the_batch() -> None:
    whole = make_loop(steps=1, micro_batch=4, drop_path=0.0)
    parts = make_loop(steps=1, micro_batch=1, drop_path=0.0)
    before = weights(whole)
    for loop in (whole, parts):
        loop.run(0, no_track)
    for one, other in zip(whole.training.student.parameters(), parts.training.student.parameters(), strict=True):
        if one.grad is not None and other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-3)
    assert not torch.equal(weights(whole), before)
    centers = [loop.method.state()["center"] for loop in (whole, parts)]
    torch.testing.assert_close(*centers)


@pytest.mark.parametrize("lr", [1e-3, 1e-6])
def test_the_learning_rate_never_rises_to_its_end(lr: float, tmp_path: Path) -> None:
    loop = make_loop(steps=12, lr=lr, min_lr=1e-5, judge_every=1)
    loop.history = TrainingHistory(tmp_path, done=0, events=False)
    loop.run(0, no_track)
    rates = [row["lr"] for row in loop.history.rows]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(lr * loop.plan.batch / 256)


def test_the_last_layer_is_held_in_the_first_steps() -> None:
    loop = make_loop(steps=4, freeze_last=0.5)
    layer: Any = loop.training.student.head.last_layer
    first, blocks = layer.directions.detach().clone(), loop.training.student.backbone
    seen = []

    def track(steps: Any, **more: Any) -> Any:
        for step in steps:
            yield step
            seen.append(torch.equal(layer.directions, first))

    before = [each.clone() for each in blocks.parameters()]
    loop.run(0, track)
    assert seen == [True, True, False, False]
    assert any(not torch.equal(a, b) for a, b in zip(before, blocks.parameters(), strict=True))


def test_rows_hold_loss_rates_and_speed(tmp_path: Path) -> None:
    loop = make_loop(steps=12, batch=2, warmup=0.25)
    loop.history = TrainingHistory(tmp_path, done=0, events=False)
    assert loop.run(0, no_track) == ""
    rows = loop.history.rows
    assert [row["step"] for row in rows] == [0, 10, 11]
    names = {"loss", "entropy", "mean_entropy", "gradient", "lr", "weight_decay", "momentum", "teacher_temperature"}
    assert all({*names, "images_per_second", "memory_gb", "step"} == row.keys() for row in rows)
    assert rows[0]["lr"] == 0
    assert 0 < rows[-1]["lr"] < 5e-4 * 2 / 256
    assert rows[0]["weight_decay"] < rows[-1]["weight_decay"]
    assert 2 < rows[0]["loss"] < 4  # ln 16 and a little


def test_another_item_takes_the_place_of_one_that_cannot_be_read() -> None:
    def read(item: int) -> Any:
        if item == 1:
            raise BadImage(Path("b.jpg"), "cut off")
        return PICTURES[item]

    first, second = make_loop(read, steps=2), make_loop(read, steps=2)
    for loop in (first, second):
        loop.run(0, no_track)
    assert torch.equal(weights(first), weights(second))


def test_not_one_item_can_be_read() -> None:
    def read(item: int) -> Any:
        raise BadImage(Path("b.jpg"), "cut off")

    with pytest.raises(MachineError, match="items in a row cannot be read"):
        make_loop(read, steps=1).run(0, no_track)


def test_a_loss_that_is_not_finite_ends_it() -> None:
    loop = make_loop(steps=2)
    with torch.no_grad():
        next(loop.training.student.parameters()).fill_(float("nan"))
    with pytest.raises(MachineError, match=r"the loss of step 0 is not finite; lower lr=0\.0005"):
        loop.run(0, no_track)


class Fallen:
    """Sees a collapse at the second look."""

    def __init__(self) -> None:
        self.looks: list[int] = []

    def judge(self, teacher: Any, step: int, figures: Any) -> Judgement:
        self.looks.append(step)
        assert {"loss", "entropy"} <= figures.keys()
        return Judgement({"rank": 1.0}, "collapsed: rank 1" if len(self.looks) > 1 else "")

    def state(self) -> dict[str, float]:
        return {}

    def load_state(self, values: Any) -> None:
        pass


@pytest.mark.parametrize(("stop", "looks"), [(False, [0, 2, 4, 5]), (True, [0, 2])])
def test_a_collapse_is_said_once_and_ends_it_where_asked(
    stop: bool, looks: Sequence[int], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    loop = make_loop(steps=6, judge_every=2, stop_on_collapse=stop)
    judge = Fallen()
    loop.judge, loop.history = judge, TrainingHistory(tmp_path, done=0, events=False)
    ended = loop.run(0, no_track)
    assert ended == ("collapsed: rank 1" if stop else "")
    assert judge.looks == looks
    assert [record.message for record in caplog.records if "rank" in record.message] == ["step 2: collapsed: rank 1"]
    assert all(row["rank"] == 1.0 for row in loop.history.rows)
