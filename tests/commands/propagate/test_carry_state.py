"""The state is read back whole, or not at all."""

from pathlib import Path

import torch

from segpipe.commands.propagate.carry_state import FrameRow, Progress, StateFolder, Waiting

ROW = FrameRow(3, 0.3, 0.5, key=False, size=(4, 6), pixels={0: 20, 2: 4}, overlap={0: 0.9, 2: 0.1})


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    assert state.load() is None
    progress = Progress(7, key=2, before=0, waiting=[Waiting(3, None, 4, 6)], back=1, rejected=[("a", "b")])
    state.save(progress, {"features": torch.arange(6.0)})
    found = StateFolder(tmp_path / "state").load()
    assert found is not None
    assert found[0] == progress
    assert found[1]["features"].tolist() == list(range(6))


def test_a_damaged_checkpoint_is_none(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.save(Progress(7), {"features": torch.arange(60.0)})
    (path,) = tmp_path.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert state.load() is None


def test_a_line_that_was_cut_off_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.append(ROW)
    (path,) = tmp_path.glob("*.jsonl")
    with path.open("a") as journal:
        journal.write('{"frame": 4, "sec')
    assert state.rows() == {3: ROW}
    state.append(ROW)
    assert state.rows() == {3: ROW}
