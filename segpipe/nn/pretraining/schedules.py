"""Schedules over the steps of a training, each a pure function of the step.

As in github.com/facebookresearch/dino, with steps in the place of epochs times steps an epoch.
"""

from __future__ import annotations

from math import cos, pi


def cosine(step: int, *, steps: int, start: float, end: float, warmup: int = 0) -> float:
    """From `start` at the end of the warm-up along half a cosine toward `end`, which is not reached.

    Args:
        step: counted from 0.
        steps: of the whole training.
        start: largest value of a schedule that falls.
        end: value after the last step.
        warmup: steps on a line from 0 to `start`, both included.

    >>> [round(cosine(step, steps=6, start=1.0, end=0.0, warmup=2), 3) for step in range(6)]
    [0.0, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < warmup:
        return start * step / (warmup - 1) if warmup > 1 else 0.0
    return end + 0.5 * (start - end) * (1 + cos(pi * (step - warmup) / max(1, steps - warmup)))


def ramp(step: int, *, steps: int, start: float, end: float) -> float:
    """From `start` to `end` on a line over the first `steps` steps, both included; `end` ever after.

    >>> [ramp(step, steps=3, start=0.0, end=1.0) for step in range(4)]
    [0.0, 0.5, 1.0, 1.0]
    """
    if step >= steps:
        return end
    return start + (end - start) * step / (steps - 1) if steps > 1 else start
