"""Sinkhorn-Knopp: shares every patch out among objects so that all objects get the same mass.

Venkataramanan et al. 2024, "Is ImageNet worth 1 video?" (DoRA), arXiv 2310.08584, equation (4), and the authors' code.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Rule = Literal["coded", "paper"]

EPSILON = 0.05
ROUNDS = 30


def assign(
    scores: npt.NDArray[np.floating], *, rule: Rule = "coded", epsilon: float = EPSILON, rounds: int = ROUNDS
) -> Float64:
    """How much of every patch belongs to every object.

    The plan between patches and objects under equal marginals that scores most, with an entropy of weight `epsilon`.
    `paper` returns the plan itself, whose mass is 1; `coded` what the authors' code makes of it: the plan times the
    number of patches, so that the shares of a patch add up to 1.

    Computed in logarithms. The authors' float32 loses what lies more than 87 epsilons below the largest score, and
    gives NaN where an object loses all patches; where it loses nothing, the two agree.

    Args:
        scores: (n, k), of each patch for each object; n and k at least 1.
        rule: which of the two masses.
        epsilon: weight of the entropy, above 0.
        rounds: how often objects and patches are normalized in turns; patches are last.

    Returns:
        (n, k), none negative.
    """
    plan = np.asarray(scores, np.float64).T / epsilon
    objects, patches = plan.shape
    plan = plan - plan.max()
    for _ in range(rounds):
        plan = plan - _log_sum(plan, axis=1) - np.log(objects)
        plan = plan - _log_sum(plan, axis=0) - np.log(patches)
    shares: Float64 = np.exp(plan).T
    return shares * patches if rule == "coded" else shares


def _log_sum(values: Float64, *, axis: int) -> Float64:
    """The logarithm of the sum of exponentials along an axis, which stays."""
    top = values.max(axis=axis, keepdims=True)
    total: Float64 = top + np.log(np.exp(values - top).sum(axis=axis, keepdims=True))
    return total
