"""Frames that wait on the disk come back, rounded to 16 bits."""

from collections import namedtuple
from pathlib import Path

import pytest
import torch

from segpipe.base.errors import MachineError
from segpipe.commands.propagate import frame_scratch
from segpipe.commands.propagate.frame_scratch import FrameScratch, FrameShape, check_room

SHAPE = FrameShape(rows=3, cols=4, width=5, channels=2)


def test_frames_come_back_after_the_file_was_closed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    frames = [(torch.randn(3, 4, 5), torch.rand(3, 4, 2)) for _ in range(3)]
    scratch = FrameScratch(tmp_path / "a.bin", SHAPE)
    for place, (features, labels) in enumerate(frames):
        scratch.put(place, features, labels)
    scratch.put(1, *frames[0])
    scratch.close()
    assert (tmp_path / "a.bin").stat().st_size == 3 * SHAPE.bytes
    again = FrameScratch(tmp_path / "a.bin", SHAPE)
    for place, wanted in ((0, frames[0]), (1, frames[0]), (2, frames[2])):
        for found, each in zip(again.get(place), wanted, strict=True):
            assert torch.equal(found, each.half().float())
    again.put(0, frames[1][0], None)
    assert not again.get(0)[1].any()
    again.close()


def test_too_little_room_is_said_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(frame_scratch.shutil, "disk_usage", lambda _: usage(0, 0, 1 << 29))
    check_room(tmp_path, SHAPE, 1000)
    with pytest.raises(
        MachineError, match=r"10000000 frames wait for a key frame, their features need 1\.7 GB, and 0\.5"
    ):
        check_room(tmp_path, SHAPE, 10_000_000)
