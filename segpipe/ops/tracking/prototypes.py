"""Prototypes of the objects that attention heads see in one frame, and where they are in any other.

The formulas of DoRA (see `sinkhorn`): P = A Q of k heads, M = Sinkhorn(Z P^T), P' = M^T Z,
T = softmax(P' K^T / sqrt d), and a mask where T lies above its mean.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from segpipe.ops.tracking import sinkhorn

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Heads = Literal["overlap", "random", "all"]

_MOST_CHOICES = 20_000  # sets of heads that are compared one by one


def choose_heads(attention: npt.NDArray[np.floating], count: int, rule: Heads, *, seed: int) -> list[int]:
    """Which heads stand for objects, in rising order.

    Args:
        attention: (heads, n), of CLS to every patch.
        count: how many are wanted; all heads where there are no more.
        rule: `random` draws them, as DoRA does; `overlap` takes those whose maps overlap least: the sum over pairs of
            the mass that both put on the same patches is smallest; `all` takes every head.
        seed: of the draw.
    """
    heads = len(attention)
    if rule == "all" or count >= heads:
        return list(range(heads))
    if rule == "random":
        return sorted(np.random.default_rng(seed).choice(heads, count, replace=False).tolist())
    return _least_overlap(overlaps(attention), count)


def overlaps(attention: npt.NDArray[np.floating]) -> Float64:
    """The mass (heads, heads), 0 to 1, that two heads put on the same patches, each map scaled to mass 1."""
    shares = attention / np.maximum(attention.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.array([[np.minimum(one, other).sum() for other in shares] for one in shares])


def _least_overlap(shared: Float64, count: int) -> list[int]:
    """The set of heads with the smallest sum over pairs; beyond 20,000 sets, grown greedily from the best pair."""
    heads = len(shared)
    if count == 1:
        return [int(shared.sum(axis=1).argmin())]
    sets = list(combinations(range(heads), count)) if _choices(heads, count) <= _MOST_CHOICES else []
    if sets:
        return list(min(sets, key=lambda chosen: sum(shared[i, j] for i, j in combinations(chosen, 2))))
    closest = min(combinations(range(heads), 2), key=lambda pair: float(shared[pair[0], pair[1]]))
    chosen = list(closest)
    while len(chosen) < count:
        rest = [head for head in range(heads) if head not in chosen]
        chosen.append(min(rest, key=lambda head: shared[head, chosen].sum()))
    return sorted(chosen)


def _choices(heads: int, count: int) -> int:
    found = 1
    for i in range(count):
        found = found * (heads - i) // (i + 1)
    return found


def pool(attention: npt.NDArray[np.floating], queries: npt.NDArray[np.floating]) -> Float64:
    """First prototypes (k, d): what each head attends to, in the space of the queries. P = A Q.

    Args:
        attention: (k, n), of CLS to every patch.
        queries: (n, d).
    """
    return np.asarray(attention, np.float64) @ np.asarray(queries, np.float64)


def refine(
    tokens: npt.NDArray[np.floating],
    prototypes: npt.NDArray[np.floating],
    *,
    rule: sinkhorn.Rule,
    epsilon: float = sinkhorn.EPSILON,
    rounds: int = sinkhorn.ROUNDS,
) -> tuple[Float64, Float64]:
    """Prototypes of objects that share no patch. P' = M^T Z.

    Args:
        tokens: (n, d), the network's output for every patch.
        prototypes: (k, d) of `pool`.
        rule: `coded` takes tokens of length 1, `paper` as they are; see also `sinkhorn.assign`.
        epsilon: of `sinkhorn.assign`.
        rounds: of the same.

    Returns:
        Refined prototypes (k, d), and how much of every patch (n, k) went to which.
    """
    z = unit(tokens) if rule == "coded" else np.asarray(tokens, np.float64)
    shares = sinkhorn.assign(z @ np.asarray(prototypes, np.float64).T, rule=rule, epsilon=epsilon, rounds=rounds)
    return shares.T @ z, shares


def attend(prototypes: npt.NDArray[np.floating], keys: npt.NDArray[np.floating], *, temperature: float) -> Float64:
    """Where the objects are in a frame. T = softmax(P' K^T / temperature), each row of mass 1.

    Args:
        prototypes: (k, d).
        keys: (n, d) of the frame.
        temperature: DoRA's is the square root of d.

    Returns:
        (k, n).
    """
    scores = np.asarray(prototypes, np.float64) @ np.asarray(keys, np.float64).T / temperature
    strengths = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(strengths / strengths.sum(axis=1, keepdims=True))


def above_mean(maps: npt.NDArray[np.floating]) -> Bools:
    """Which patches (k, n) hold more than a map's mean: DoRA's masks."""
    return np.asarray(maps > maps.mean(axis=1, keepdims=True))


def unit(vectors: npt.NDArray[np.floating]) -> Float64:
    """Vectors (..., d) of length 1; those of length 0 stay."""
    values = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(values / np.where(lengths > 0, lengths, 1))


def cosines(prototypes: npt.NDArray[np.floating], features: npt.NDArray[np.floating]) -> Float64:
    """Cosines (k, n) of prototypes (k, d) and features (n, d)."""
    return np.asarray(unit(prototypes) @ unit(features).T)


def merge_alike(
    attention: npt.NDArray[np.floating], features: npt.NDArray[np.floating], around: Float64, *, share: float
) -> Float64:
    """Prototypes of objects, where heads that see the same object give one.

    Two are the same object where the distance between them (1 - cosine) is below a share of that from either to the
    surroundings. Of all pairs the closest is joined, its maps are added, and so on.

    Args:
        attention: (k, n), of heads.
        features: (n, d), of length 1.
        around: (d,), of length 1.
        share: 0 joins none.

    Returns:
        (at most k, d), of length 1.
    """
    tiny = float(np.finfo(np.float64).tiny)
    maps = [each / max(float(each.sum()), tiny) for each in np.asarray(attention, np.float64)]
    while True:
        found = unit(np.array(maps) @ features)
        if len(maps) == 1:
            return found
        away = np.maximum(1 - found @ around, 1e-9)
        ratio = (1 - found @ found.T) / np.minimum(away[:, None], away[None])
        np.fill_diagonal(ratio, np.inf)
        one, other = np.unravel_index(int(ratio.argmin()), ratio.shape)
        if ratio[one, other] >= share:
            return found
        maps[min(one, other)] = maps[one] + maps[other]
        del maps[max(one, other)]
