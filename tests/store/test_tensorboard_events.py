from pathlib import Path

import pytest

from segpipe.store.tensorboard_events import Events

pytest.importorskip("tensorboard")


def test_tensorboard_reads_them_and_forgets_what_was_taken_back(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = Events(tmp_path / "tb", done=0)
    for step in range(6):
        first.add("loss/self", step / 4, step)
    first.flush()  # and killed
    again = Events(tmp_path / "tb", done=3)
    for step in range(3, 8):
        again.add("loss/self", -step, step)
    again.flush()
    assert len(list((tmp_path / "tb").iterdir())) == 2
    found = EventAccumulator(str(tmp_path / "tb")).Reload()
    assert found.Tags()["scalars"] == ["loss/self"]
    expected = [(0, 0), (1, 0.25), (2, 0.5), *((step, -step) for step in range(3, 8))]
    assert [(event.step, event.value) for event in found.Scalars("loss/self")] == expected


def test_an_error_of_the_disk_is_raised_here(tmp_path: Path) -> None:
    (tmp_path / "tb").write_text("no folder")
    with pytest.raises(FileExistsError):
        Events(tmp_path / "tb", done=0)
    events = Events(tmp_path / "events", done=0)
    (tmp_path / "events").rmdir()
    events.add("loss", 1.0, 0)
    with pytest.raises(FileNotFoundError):
        events.flush()
