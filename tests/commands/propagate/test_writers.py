"""What is written of a frame."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segpipe.commands.propagate.carry_state import StateFolder, Waiting
from segpipe.commands.propagate.writers import FrameFiles, FrameWriter
from segpipe.ops.propagation.soft_maps import Deciding
from segpipe.records.legend import plain_legend
from segpipe.store.masks import read_mask

FRAME = Waiting(7, 0.7, 30, 50)


def target(folder: Path, **options: bool) -> FrameFiles:
    return FrameFiles(folder, plain_legend(2), Deciding(8), 6, objects=(1,), **options)


def soft() -> torch.Tensor:
    labels = torch.zeros(4, 6, 3)
    labels[..., 0], labels[1:3, 2:4, 1] = 1.0, 0.75
    labels[1:3, 2:4, 0] = 0.25
    return labels


def test_a_carried_frame_has_a_map_a_confidence_and_a_line(tmp_path: Path) -> None:
    row = target(tmp_path).write_carried(FRAME, soft())
    mask = read_mask(tmp_path / "masks" / "000007.png")
    assert mask.shape == (30, 50)
    assert (mask[15, 25], mask[0, 0]) == (1, 0)
    assert row.pixels == {0: int((mask == 0).sum()), 1: int((mask == 1).sum())}
    assert row.overlap == {0: pytest.approx(20 / 21, abs=1e-5), 1: pytest.approx(0.75)}
    assert (row.confidence, row.key, row.size) == (0.75, False, (30, 50))
    sure = np.asarray(Image.open(tmp_path / "confidence" / "000007.png"))
    assert (sure[15, 25], sure[0, 0], sure.shape) == (191, 255, (30, 50))


def test_a_key_frame_is_written_as_it_was_given(tmp_path: Path) -> None:
    given = np.zeros((30, 50), np.uint8)
    given[3, 4], given[5, 6] = 1, 255
    row = target(tmp_path, confidence=False).write_key(FRAME, given)
    assert np.array_equal(read_mask(tmp_path / "masks" / "000007.png"), given)
    assert (row.confidence, row.key, row.pixels) == (1.0, True, {0: 1498, 1: 1})
    assert not (tmp_path / "confidence").exists()


def test_frames_are_noted_once_their_files_are_there(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    writer = FrameWriter(target(tmp_path), state, workers=2)
    for index in range(9):
        writer.carried(Waiting(index, None, 30, 50), soft())
    writer.key(Waiting(9, None, 30, 50), np.zeros((30, 50), np.uint8))
    assert all((tmp_path / "masks" / f"{number:06}.png").exists() for number in state.rows())
    writer.drain()
    writer.close()
    assert list(state.rows()) == list(range(10))


def test_what_fails_in_a_thread_is_raised(tmp_path: Path) -> None:
    writer = FrameWriter(target(tmp_path), StateFolder(tmp_path / "state"), workers=1)
    writer.key(FRAME, np.full((30, 50), 9, np.uint8))
    with pytest.raises(ValueError, match="classes below 2"):
        writer.drain()
    writer.close()
