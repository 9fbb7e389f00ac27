"""Whether features are any good, told without labels: agreement of views, effective rank, signs of collapse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_TINY = 1e-7  # added to the shares, as by the authors of RankMe
_SAME = 0.01  # share of log K: outputs of images that differ less are the same; an untrained ViT's differ by 0.06
_NEAR = 0.05  # share of log K: an entropy so near to 0, or to log K
_LEAST_RANK, _FALL = 2.0, 10.0


def view_agreement(first: Tensor, second: Tensor) -> float:
    """The share, 0 to 1, of views whose nearest neighbor is the other view of the same image.

    Nearest by cosine among all views of all other images and the one other view of the same. Chance is 1 / (2N - 1).
    NaN where there is a single image.

    Args:
        first: (N, d) features of one view of each image.
        second: (N, d) of another view of each.
    """
    count = len(first)
    if count < 2:
        return math.nan
    units = torch.nn.functional.normalize(torch.cat([first, second]).double(), dim=-1)
    cosines = units @ units.T
    cosines.fill_diagonal_(-math.inf)
    places = torch.arange(2 * count, device=units.device)
    return float((cosines.argmax(dim=1) == (places + count) % (2 * count)).double().mean())


def effective_rank(features: Tensor) -> float:
    """How many directions features use: the exponential of the entropy of their singular values' shares.

    Garrido et al. 2023, "RankMe", arXiv 2210.02885, equation (1). Features are taken as they are, with their mean.

    Args:
        features: (N, d).

    Returns:
        1 to min(N, d).
    """
    values = torch.linalg.svdvals(features.double())
    total = values.sum()
    if total <= 0:
        return 1.0
    shares = values / total + _TINY
    return float(torch.exp(-(shares * shares.log()).sum()))


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is measured of a teacher on some images."""

    rank: float
    """`effective_rank` of its features."""
    entropy: float
    """Mean entropy of its outputs, nats."""
    mean_entropy: float
    """Entropy of their mean, nats."""


def collapse_sign(vitals: Vitals, *, outputs: int, best_rank: float) -> str:
    """By which sign features have collapsed, in words; empty where they have not.

    The mean entropy of outputs and that of their mean differ by how much outputs differ from image to image. Where
    that is nothing, the teacher says the same of everything (Caron et al. 2021, section 5.3): one output, or all alike.

    Args:
        vitals: measured on at least two unlike images.
        outputs: K, the number of outputs.
        best_rank: the highest rank so far.
    """
    most = math.log(outputs)
    if vitals.mean_entropy - vitals.entropy < _SAME * most:
        if vitals.entropy > (1 - _NEAR) * most:
            return "the teacher's output is uniform for every image"
        if vitals.mean_entropy < _NEAR * most:
            return "the teacher gives one and the same output for every image"
    if vitals.rank < _LEAST_RANK:
        return f"the features have an effective rank of {vitals.rank:.1f}: they lie on a line"
    if vitals.rank * _FALL < best_rank:
        return f"the effective rank of the features fell from {best_rank:.1f} to {vitals.rank:.1f}"
    return ""
