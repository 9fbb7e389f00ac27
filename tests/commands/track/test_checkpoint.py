"""What is left for the next call comes back as it was."""

from pathlib import Path

import numpy as np

from segpipe.commands.track.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from segpipe.ops.tracking.appearance import Discovery
from segpipe.ops.tracking.tracks import Following, Memory, step
from tests.helpers.tracked_frames import TWO, frame


def test_a_film_goes_on_from_it_as_if_nothing_had_been(tmp_path: Path) -> None:
    how, rules = Discovery(objects=2), Following(rejoin=0.8)
    memory = Memory()
    for i in range(4):
        memory, _ = step(memory, frame(TWO, seed=i), how, rules, cut=i == 2)
    save_checkpoint(tmp_path / "state", Checkpoint(memory, 4, 123))
    found = load_checkpoint(tmp_path / "state")
    assert (found.frames, found.journal) == (4, 123)
    assert (found.memory.scenes, found.memory.begun) == (memory.scenes, memory.begun)
    assert found.memory.earlier.keys() == memory.earlier.keys() == {1, 2}
    for cut in (False, True):
        there, here = (step(each, frame(TWO, seed=9), how, rules, cut=cut) for each in (found.memory, memory))
        assert there[1].sightings == here[1].sightings
        assert np.array_equal(there[1].maps, here[1].maps)


def test_a_film_without_objects_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", Checkpoint(Memory(), 0, 0))
    assert load_checkpoint(tmp_path / "state") == Checkpoint(Memory(), 0, 0)


def test_nothing_or_a_damaged_one_is_the_beginning(tmp_path: Path) -> None:
    beginning = Checkpoint(Memory(), 0, 0)
    assert load_checkpoint(tmp_path / "none") == beginning
    (tmp_path / "half").write_bytes(b"PK\x03\x04 half a file")
    assert load_checkpoint(tmp_path / "half") == beginning
