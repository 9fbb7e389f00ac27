"""Doubt: what an interval by samples drawn again does not know, in a note beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FEW = 10
"""Samples from which intervals are about as wide as they say."""
SELDOM = 5
"""Samples that hold a class, from which its own interval is."""
_NAMED = 3  # classes that a note names

Float64 = npt.NDArray[np.float64]


def seldom_held(amounts: Float64) -> npt.NDArray[np.bool_]:
    """Which classes some samples hold, but fewer than `SELDOM`: others may hold much of them, which no draw shows.

    Args:
        amounts: (samples, classes)
    """
    held = (amounts > 0).sum(axis=0)
    return np.asarray((held > 0) & (held < min(SELDOM, len(amounts))))


def doubt(amounts: Float64, kind: str, names: Sequence[str]) -> str:
    """The note; empty where there is no doubt.

    Args:
        amounts: (samples, classes) of two samples at least.
        kind: what they are, such as `image`.
        names: of the classes.
    """
    count = len(amounts)
    few = f"{count} {kind}s: rough intervals" if count < FEW else ""
    rare = [names[k] for k in np.flatnonzero(seldom_held(amounts)).tolist()]
    if not rare:
        return few
    named = ", ".join(rare[:_NAMED]) + (f" and {len(rare) - _NAMED} more" if len(rare) > _NAMED else "")
    return (few and f"{few}; ") + f"rough where fewer than {SELDOM} {kind}s hold a class: {named}"
