"""How carried class maps agree with what is true: J, F and J&F of every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segpipe.base.errors import UsageError, named
from segpipe.commands.propagate.carry_state import FrameRow
from segpipe.commands.propagate.key_frames import masks_by_frame, read_index
from segpipe.commands.propagate.writers import FrameFiles
from segpipe.images.numbered_frames import NumberedFrames
from segpipe.ops.metrics.video_objects import ObjectScore, compare_masks, mean_score
from segpipe.store import masks


@dataclass(frozen=True)
class TruthScores:
    """Scores of a film."""

    frames: int
    """Frames that count: with labels, no key frame, and not the last of the film (as DAVIS does)."""
    classes: Mapping[int, ObjectScore]
    """By class, where it is in a frame that counts or was found in one."""
    whole: ObjectScore
    """The mean over the classes that are objects."""


def truth_files(folder: Path, sequence: NumberedFrames, *, start: int) -> dict[int, Path]:
    """Label files by frame.

    Raises:
        UsageError: it is no folder, or a name is not that of a frame.
    """
    if not folder.is_dir():
        raise UsageError(f"{named('labels', folder)} is no folder; name one of index PNGs, one a frame")
    return masks_by_frame(folder, sequence, start=start)


def score_film(
    truths: Mapping[int, Path], rows: Mapping[int, FrameRow], target: FrameFiles, objects: Sequence[int]
) -> TruthScores | None:
    """Scores of the frames that have labels; None where there is none. A frame is held at a time.

    Raises:
        UsageError: labels of another size than their frame.
    """
    last = max(rows)
    counted = [n for n in sorted(truths) if n in rows and not rows[n].key and n != last]
    found: dict[int, list[tuple[float, float]]] = {}
    seen: set[int] = set()
    classes = range(target.legend.classes)
    for number in counted:
        truth, mask = read_index(truths[number]), masks.read_mask(target.mask_path(number))
        if truth.shape != mask.shape:
            raise UsageError(
                f"{truths[number]} has {truth.shape[1]} x {truth.shape[0]} pixels, its frame {mask.shape[1]} x "
                f"{mask.shape[0]} (width x height); labels are never resized"
            )
        seen |= {*np.unique(truth).tolist(), *np.unique(mask).tolist()}
        for k in classes:
            found.setdefault(k, []).append(compare_masks(truth == k, mask == k))
    if not counted:
        return None
    scores = {k: mean_score(found[k]) for k in classes if k in seen}
    chosen = [scores[k] for k in objects if k in scores] or list(scores.values())
    whole = ObjectScore(
        float(np.mean([score.j for score in chosen])), float(np.mean([score.f for score in chosen])), len(counted)
    )
    return TruthScores(len(counted), scores, whole)
