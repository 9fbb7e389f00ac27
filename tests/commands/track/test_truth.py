"""Tracks against label masks."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.commands.track.follow import FrameLine
from segpipe.commands.track.truth import score_tracks
from segpipe.ops.metrics.video_objects import score_object
from segpipe.store.masks import write_mask


def lay(folder: Path, masks: list[np.ndarray], *, name: str = "{:05}") -> Path:
    for i, mask in enumerate(masks):
        write_mask(folder / f"{name.format(i)}.png", mask.astype(np.uint8), classes=255)
    return folder


def lines(count: int, *, name: str = "{:05}") -> list[FrameLine]:
    return [FrameLine(i, name.format(i), i / 10, 1, 20, 30, ()) for i in range(count)]


def scene() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """An object that moves to the right; track 1 holds it at first, track 2 later, and better."""
    truths, found = [], []
    for i in range(6):
        truth, mask = np.zeros((20, 30)), np.zeros((20, 30))
        truth[5:15, 2 + 3 * i : 12 + 3 * i] = 1
        mask[5:15, 2:12] = 1
        mask[5:15, 4 + 3 * i : 13 + 3 * i] = 2 if i else 1
        truths.append(truth)
        found.append(mask)
    return truths, found


def test_the_best_track_and_the_one_that_was_there_first(tmp_path: Path) -> None:
    truths, found = scene()
    labels, masks = lay(tmp_path / "labels", truths), lay(tmp_path / "masks", found)
    (score,) = score_tracks(lines(6), labels, lambda n: masks / f"{n:05}.png")
    assert (score.value, score.best, score.first) == (1, 2, 1)
    for track, given in ((2, score.best_score), (1, score.first_score)):
        inner = slice(1, -1)  # DAVIS leaves out the first and the last frame
        plain = score_object((t == 1, m == track) for t, m in zip(truths[inner], found[inner], strict=True))
        assert given == plain
        assert given.frames == 4
    assert score.best_score.j > score.first_score.j


def test_every_object_is_scored_and_what_is_not_labelled_is_none(tmp_path: Path) -> None:
    truths, found = scene()
    for truth in truths:
        truth[0, :4], truth[19] = 7, 255
    labels, masks = lay(tmp_path / "labels", truths), lay(tmp_path / "masks", found)
    scores = score_tracks(lines(6), labels, lambda n: masks / f"{n:05}.png")
    assert [score.value for score in scores] == [1, 7]
    assert (scores[1].best, scores[1].first, scores[1].best_score.j) == (0, 0, 0)


def test_labels_of_a_film_are_found_by_the_number_in_their_names(tmp_path: Path) -> None:
    truths, found = scene()
    labels, masks = lay(tmp_path / "labels", truths, name="dive_{:04}"), lay(tmp_path / "masks", found)
    (score,) = score_tracks(lines(6, name="dive/{:06}"), labels, lambda n: masks / f"{n:05}.png")
    assert score.best == 2


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    truths, found = scene()
    masks = lay(tmp_path / "masks", found)
    with pytest.raises(UsageError, match="is not a folder"):
        score_tracks(lines(6), tmp_path / "none", lambda n: masks / f"{n:05}.png")
    few = lay(tmp_path / "few", truths[:2])
    with pytest.raises(UsageError, match="2 frames have a label mask there, and 3 are needed"):
        score_tracks(lines(6), few, lambda n: masks / f"{n:05}.png")
    small = lay(tmp_path / "small", [truth[:10] for truth in truths])
    with pytest.raises(UsageError, match=r"00000\.png: 30 x 10 pixels, the frame 30 x 20"):
        score_tracks(lines(6), small, lambda n: masks / f"{n:05}.png")
