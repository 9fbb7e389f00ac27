"""A checkpoint holds all that the next step depends on, and is whole or refused."""

from pathlib import Path

import pytest
import torch

from segpipe.base.errors import UsageError
from segpipe.commands.pretrain.state import CHECKPOINT, Training, load_state, save_state, state_bytes
from segpipe.nn.backbones import build_network, find_backbone
from segpipe.nn.pretraining.updates import parameter_groups
from segpipe.nn.projection_head import Headed, ProjectionHead


def training(seed: int) -> Training:
    torch.manual_seed(seed)
    pair = [
        Headed(build_network(find_backbone("test_vit")), ProjectionHead(64, 8, hidden=16, bottleneck=4))
        for _ in range(2)
    ]
    return Training(pair[0], pair[1], torch.optim.AdamW(parameter_groups(pair[0]), lr=0.1))


def advance(made: Training, *, hold_last: bool) -> None:
    made.optimizer.zero_grad()
    made.student((torch.ones(2, 3, 32, 32),)).square().sum().backward()
    if hold_last:
        made.student.head.last_layer.directions.grad = None  # type: ignore[union-attr]
    made.optimizer.step()


@pytest.mark.parametrize("hold_last", [True, False])
def test_the_next_step_is_the_same_after_a_restart(tmp_path: Path, hold_last: bool) -> None:
    first, second = training(0), training(1)
    advance(first, hold_last=hold_last)
    save_state(tmp_path, first, step=5, method={"center": torch.arange(3.0)}, judge={"rank": 2.5})
    step, method, judge = load_state(tmp_path, second)
    assert (step, judge) == (5, {"rank": 2.5})
    torch.testing.assert_close(method["center"], torch.arange(3.0))
    for made in (first, second):
        advance(made, hold_last=False)
    for one, other in ((first.student, second.student), (first.teacher, second.teacher)):
        wanted = one.state_dict()
        assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())


def test_without_a_checkpoint_it_begins(tmp_path: Path) -> None:
    assert load_state(tmp_path, training(0)) == (0, {}, {})


@pytest.mark.parametrize("damage", ["cut", "flipped", "other network"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: str) -> None:
    made = training(0)
    save_state(tmp_path, made, step=1, method={}, judge={})
    path = tmp_path / CHECKPOINT / "training.safetensors"
    held = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(held[:-100])
    elif damage == "flipped":
        held[-10] ^= 1
        path.write_bytes(held)
    else:
        made = Training(Headed(made.student.backbone, ProjectionHead(64, 9)), made.teacher, made.optimizer)
    with pytest.raises(UsageError, match="damaged or of another training; delete"):
        load_state(tmp_path, made)


def test_the_size_is_about_what_is_written(tmp_path: Path) -> None:
    made = training(0)
    advance(made, hold_last=False)
    save_state(tmp_path, made, step=1, method={}, judge={})
    (path,) = (tmp_path / CHECKPOINT).iterdir()
    assert state_bytes(made) == pytest.approx(path.stat().st_size, rel=0.1)
