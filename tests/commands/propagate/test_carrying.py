"""From frame to frame: both ways between key frames, on the disk while it waits, and on from any checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Size
from segpipe.base.runtime import no_track
from segpipe.commands.propagate import carrying
from segpipe.commands.propagate.carry_state import Progress, StateFolder, Waiting
from segpipe.commands.propagate.carrying import Carrying, Film
from segpipe.commands.propagate.key_frames import KeyFrames
from segpipe.images.numbered_frames import NumberedFrame
from segpipe.inference.frame_features import FrameFeatures
from segpipe.ops.propagation.label_affinity import AffinityRule, unit_features
from segpipe.ops.propagation.label_context import LabelContext
from segpipe.ops.propagation.soft_maps import blend, one_hot
from segpipe.records.corpus import Rejected
from segpipe.records.legend import plain_legend
from tests.helpers.wandering import wandering

RULE, RECENT, PATCH = AffinityRule(radius=3), 2, 8


def describe(rgb: np.ndarray) -> np.ndarray:
    """Mean color of every quarter of a patch, less gray."""
    rows, cols = rgb.shape[0] // PATCH, rgb.shape[1] // PATCH
    parts = rgb.astype(np.float32).reshape(rows, 2, 4, cols, 2, 4, 3).mean(axis=(2, 5))
    return np.ascontiguousarray(parts.transpose(0, 2, 1, 3, 4).reshape(rows, cols, 12) - 90)


class Drawn:
    """Frames that were drawn; some are damaged."""

    name, size, fps, counted, rejected = "drawn", Size(64, 96), 10.0, True, ()

    def __init__(self, count: int, *, damaged: tuple[int, ...] = ()) -> None:
        self.count, self.damaged = count, damaged

    def __len__(self) -> int:
        return self.count

    def read(self, start: int) -> Iterator[NumberedFrame | Rejected]:
        for index in range(start, self.count):
            if index in self.damaged:
                yield Rejected(f"{index}.png", "damaged")
            else:
                yield NumberedFrame(index, f"f{index}", index / 10, wandering(index)[0])


class Written:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.labels: dict[int, torch.Tensor] = {}
        self.keys: dict[int, np.ndarray] = {}

    def carried(self, frame: Waiting, labels: torch.Tensor) -> None:
        self.labels[frame.index] = labels.clone()

    def key(self, frame: Waiting, mask: np.ndarray) -> None:
        self.keys[frame.index] = mask

    def drain(self) -> None:
        pass


def film_of(sequence: Drawn, keys: list[int]) -> Film:
    legend = plain_legend(2)
    read = {key: lambda key=key: wandering(key)[1] for key in keys}
    features = FrameFeatures(describe, "drawn", PATCH, "none", "cpu")
    return Film(
        sequence,
        KeyFrames(read, legend, "", (1,)),
        features,
        Size(64, 96),
        "dino",
        RULE,
        RECENT,  # type: ignore[arg-type]
    )


def carry(film: Film, folder: Path, written: Written | None = None) -> tuple[Written, Progress]:
    state, written = StateFolder(folder), written or Written()
    progress, tensors = state.load() or (Progress(0), {})
    work = Carrying(film, state, written, progress)  # type: ignore[arg-type]
    work.restore(tensors)
    work.run(no_track)
    return written, progress


def unit(index: int) -> torch.Tensor:
    return unit_features(torch.from_numpy(describe(wandering(index)[0])))


def rounded(index: int) -> torch.Tensor:
    return unit_features(unit(index).half().float())


def given(index: int) -> torch.Tensor:
    return one_hot(wandering(index)[1], 8, 12, classes=2, empty=255)


def test_labels_go_forward_from_a_key_frame_and_back_from_the_next(tmp_path: Path) -> None:
    written, _ = carry(film_of(Drawn(10), [2, 6]), tmp_path)
    assert sorted(written.keys) == [2, 6]
    assert sorted(written.labels) == [0, 1, 3, 4, 5, 7, 8, 9]
    forward = LabelContext(unit(2), given(2), RULE, recent=RECENT)
    before = {n: forward.step(unit(n)).half().float() for n in (3, 4, 5)}
    back = LabelContext(unit(6), given(6), RULE, recent=RECENT)
    for n in (5, 4, 3):
        torch.testing.assert_close(written.labels[n], blend(before[n], back.step(rounded(n)), (n - 2) / 4))
    first = LabelContext(unit(2), given(2), RULE, recent=RECENT)
    for n in (1, 0):
        torch.testing.assert_close(written.labels[n], first.step(rounded(n)))
    last = LabelContext(unit(6), given(6), RULE, recent=RECENT)
    for n in (7, 8, 9):
        torch.testing.assert_close(written.labels[n], last.step(unit(n)))


def test_the_square_is_followed(tmp_path: Path) -> None:
    written, _ = carry(film_of(Drawn(12), [0]), tmp_path)
    for n, labels in written.labels.items():
        found, truth = labels[..., 1] > 0.5, given(n)[..., 1] > 0.5
        assert float((found & truth).sum() / (found | truth).sum()) > 0.7


class Killed(Exception):
    """The process was killed here."""


@pytest.mark.parametrize("at", [1, 4, 7, 9, 11, 13])
def test_a_call_that_was_cut_off_goes_on_to_the_same_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(carrying, "EVERY", 2)
    film = film_of(Drawn(14, damaged=(8,)), [3, 9])
    whole, progress = carry(film, tmp_path / "whole")
    written, count = Written(), 0
    plain = written.carried

    def killing(frame: Waiting, labels: torch.Tensor) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Killed
        plain(frame, labels)

    monkeypatch.setattr(written, "carried", killing)
    if at <= 11:
        with pytest.raises(Killed):
            carry(film, tmp_path / "cut", written)
    _, again = carry(film, tmp_path / "cut", written)
    assert {n: y.tolist() for n, y in written.labels.items()} == {n: y.tolist() for n, y in whole.labels.items()}
    assert sorted(written.keys) == sorted(whole.keys)
    assert again.rejected == progress.rejected == [("8.png", "damaged")]


def test_a_key_frame_that_never_comes_leaves_what_came_before(tmp_path: Path) -> None:
    written, _ = carry(film_of(Drawn(5), [0, 7]), tmp_path / "a")
    alone, _ = carry(film_of(Drawn(5), [0]), tmp_path / "b")
    for n in range(1, 5):
        torch.testing.assert_close(written.labels[n], alone.labels[n], atol=1e-3, rtol=0)
    with pytest.raises(CorpusError, match="no key frame was reached"):
        carry(film_of(Drawn(5), [7]), tmp_path / "c")


def test_memory_holds_the_context_alone(tmp_path: Path) -> None:
    carry(film_of(Drawn(40), [0, 39]), tmp_path)
    size: Any = (tmp_path / "waiting.bin").stat().st_size
    assert size == 38 * 2 * 8 * 12 * (12 + 3)
