import json
from pathlib import Path

import pytest

from segpipe.base.errors import MachineError
from segpipe.commands.pretrain import history
from segpipe.commands.pretrain.history import HISTORY, TrainingHistory, peak_memory, read_history
from tests.helpers.full_disk import room_for


def test_rows_of_steps_that_do_not_count_are_forgotten(tmp_path: Path) -> None:
    log = TrainingHistory(tmp_path, done=0, events=False)
    for step in (0, 10, 20):
        log.add(step, {"loss": float(step)})
    again = TrainingHistory(tmp_path, done=15, events=False)
    again.add(20, {"loss": 7.0})
    assert read_history(tmp_path) == [
        {"step": 0, "loss": 0.0},
        {"step": 10, "loss": 10.0},
        {"step": 20, "loss": 7.0},
    ]
    assert read_history(tmp_path) == again.rows


def test_a_line_that_was_cut_off_is_no_row(tmp_path: Path) -> None:
    (tmp_path / HISTORY).write_text('{"step": 0, "loss": 1}\n{"step": 10, "lo', "utf-8")
    assert read_history(tmp_path) == [{"step": 0, "loss": 1}]
    (tmp_path / HISTORY).write_text('{"loss": 1}\n', "utf-8")
    assert read_history(tmp_path) == []
    assert read_history(tmp_path / "nothing") == []


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    TrainingHistory(tmp_path, done=0, events=False).add(0, {"loss": 1.0, "rank": float("nan")})
    assert json.loads((tmp_path / HISTORY).read_text("utf-8")) == {"step": 0, "loss": 1.0}


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    log = TrainingHistory(tmp_path, done=0, events=False)
    with room_for(20), pytest.raises(MachineError, match=r"history\.jsonl"):
        log.add(0, {"loss": 1.0, "entropy": 2.0})


def test_events_need_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object, **options: object) -> None:
        raise ImportError

    monkeypatch.setattr(history, "Events", missing)
    with pytest.raises(MachineError, match="needs the package tensorboard"):
        TrainingHistory(tmp_path, done=0, events=True)


def test_events_hold_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    log = TrainingHistory(tmp_path, done=0, events=True)
    log.add(3, {"loss": 2.5})
    (file,) = (tmp_path / "tb").iterdir()
    assert b"loss" in file.read_bytes()


def test_memory_is_a_number_of_gigabytes() -> None:
    assert 0.01 < peak_memory("cpu") < 1000
