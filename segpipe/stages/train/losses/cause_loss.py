"""CAUSE's two losses: a codebook by modularity, then contrast by its codes.

Kim et al., "Causal Unsupervised Semantic Segmentation", 2023: the modularity of section 3.2, the contrast of 3.3.

Shapes: B items (crops) of N patches, d features, K codes of a codebook, p entries of a projection. Everything is
float32 and on the device of its inputs; random numbers are drawn on the CPU from the generator that is passed. Patches
that are not valid take no part, whatever they hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_PRODUCTS = 1 << 24  # numbers held at once while the best code of each pair is looked for


def pick_one_per_block(
    valid: Tensor, grids: Tensor, generator: torch.Generator, *, block: int
) -> tuple[Tensor, Tensor]:
    """One random valid patch of each block x block patches of a crop.

    Args:
        valid: (B, N) bool, on the CPU.
        grids: (B, 2) int64 on the CPU; item i fills the first rows * cols places, row by row. Blocks at the right and
            lower border are smaller where the grid is no multiple (as published they are left out).
        generator: on the CPU.
        block: side of a block; with 1 every patch is picked.

    Returns:
        Places (B, M) int64 and which of them are taken (B, M) bool: blocks without valid patch are not, nor are places
        beyond an item's blocks.
    """
    count, length = valid.shape
    place = torch.arange(length).expand(count, length)
    rows, cols = place // grids[:, 1:], place % grids[:, 1:]
    across = -(-grids // block)
    blocks = torch.where(valid, rows // block * across[:, 1:] + cols // block, across.prod(1).max())
    # the valid patch of the largest random number wins its block: sort by number, then (stably) by block
    lottery = torch.rand(valid.shape, generator=generator).argsort(1)
    order = lottery.gather(1, blocks.gather(1, lottery).argsort(dim=1, stable=True))
    sorted_blocks = blocks.gather(1, order)
    first = sorted_blocks.diff(dim=1, prepend=torch.full((count, 1), -1)) != 0
    first &= valid.gather(1, order)
    # winners to the front, in the order of their blocks
    front = first.int().argsort(dim=1, descending=True, stable=True)[:, : max(1, int(across.prod(1).max()))]
    return order.gather(1, front), first.gather(1, front)


def modularity_loss(features: Tensor, codebook: Tensor, valid: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Minus the modularity of each item's patches when they are grouped by a codebook, averaged over items.

    The graph of an item has edges A_ij = relu(cos(x_i, x_j)), none from a patch to itself; with degrees d and their sum
    e, W = A - d d^T / e. Two patches are together by delta_ij = max_k tanh(S_ik S_jk / temperature), where
    S_ik = relu(cos(x_i, c_k)). The loss is -trace((W / e) delta).

    Args:
        features: (B, N, d), without gradient.
        codebook: (K, d), any length; gradients flow to the best code of each pair.
        valid: (B, N) bool.
        temperature: of the tanh.

    Returns:
        A scalar; items without an edge are left out, 0 if there is no other.
    """
    shown = valid.to(features)
    units = functional.normalize(features, dim=-1) * shown[..., None]
    with torch.no_grad():
        edges = torch.einsum("bnd,bmd->bnm", units, units).clamp(min=0)
        edges = edges * (1 - torch.eye(edges.shape[1]).to(edges))
        degrees = edges.sum(2)
        total = degrees.sum(1)
        whole = total > 0
        share = degrees / total.clamp(min=1e-12)[:, None]
        worth = edges / total.clamp(min=1e-12)[:, None, None] - share[:, :, None] * share[:, None, :]
    found = (units @ functional.normalize(codebook, dim=-1).T).clamp(min=0)  # (B, N, K)
    with torch.no_grad():
        best = _best_code(found)
    # S_ik and S_jk for the best k of (i, j)
    first, second = _read(found, best), _read(found, best.transpose(1, 2)).transpose(1, 2)
    together = torch.tanh(first * second / temperature)
    each = (worth * together).sum((1, 2)) * whole
    return -each.sum() / whole.sum().clamp(min=1)


def _best_code(found: Tensor) -> Tensor:
    """For each pair of patches of (B, N, K) the code k with the largest product, (B, N, N): tanh does not change it."""
    count, length, codes = found.shape
    step = max(1, _PRODUCTS // (count * length * length))
    largest = found.new_full((count, length, length), -1.0)
    best = torch.zeros((count, length, length), dtype=torch.int64, device=found.device)
    for start in range(0, codes, step):
        part = found[..., start : start + step]
        values, place = (part[:, :, None, :] * part[:, None, :, :]).max(-1)
        better = values > largest
        largest, best = torch.where(better, values, largest), torch.where(better, place + start, best)
    return best


def _read(found: Tensor, codes: Tensor) -> Tensor:
    """Entry k of row i of (B, N, K) for the k at place (i, j) of `codes`, (B, N, N)."""
    count, length, width = found.shape
    base = torch.arange(count * length, device=found.device).view(count, length, 1) * width
    # not by gathering: an embedding adds up its gradients in a fixed order, so that a run can be resumed bit by bit
    return functional.embedding(base + codes, found.reshape(-1, 1))[..., 0]


def nearest_code(features: Tensor, codebook: Tensor) -> Tensor:
    """The code of largest cosine of each patch, int64: (..., d), (K, d) to (...)."""
    return (functional.normalize(features, dim=-1) @ functional.normalize(codebook, dim=-1).T).argmax(-1)


@dataclass(frozen=True, slots=True)
class ContrastConfig:
    """Settings of the contrast."""

    temperature: float = 0.07
    positive: float = 0.3
    """A pair of patches is positive where the cosine of their codes is larger."""
    negative: float = 0.1
    """A pair of patches is negative where the cosine of their codes is smaller."""


@dataclass(frozen=True, slots=True)
class Others:
    """The patches that a step's patches are compared with."""

    vectors: Tensor
    """(T, p) projections, used without gradient."""
    ids: Tensor
    """(T,) int64 code of each."""
    valid: Tensor
    """(T,) bool."""


def contrast_losses(
    students: Tensor,
    ids: Tensor,
    valid: Tensor,
    others: Others,
    codebook: Tensor,
    *,
    own: bool,
    config: ContrastConfig = ContrastConfig(),
) -> tuple[Tensor, Tensor]:
    """InfoNCE of patches against others that belong to near codes (positive) or to far ones (negative).

    A pair is positive where the cosine of the two patches' codes is above `config.positive`, negative where it is below
    `config.negative`, and ignored between. Each positive pair costs -s_ij + log sum_j' exp(s_ij'), the sum over all of
    i's positives and negatives, s = cos / temperature.

    Args:
        students: (B, N, p).
        ids: (B, N) int64 of each patch's code.
        valid: (B, N) bool.
        others: T patches.
        codebook: (K, d), any length, without gradient.
        own: the others are the same patches (T = B * N, item by item), and none is compared with itself.
        config: settings.

    Returns:
        The mean over the positive pairs of each item (B,), and whether it has any (B,) bool; 0 where not.
    """
    count, length = valid.shape
    units = functional.normalize(codebook.detach(), dim=-1)
    cosine = (units[ids.flatten()] @ units.T)[:, others.ids]
    both = valid.flatten()[:, None] & others.valid[None, :]
    if own:
        both = both & ~torch.eye(count * length, dtype=torch.bool, device=both.device)
    positives, negatives = both & (cosine > config.positive), both & (cosine < config.negative)
    numbers = positives.sum(1)
    teachers = functional.normalize(others.vectors.detach(), dim=-1)
    logits = functional.normalize(students, dim=-1).flatten(0, 1) @ teachers.T / config.temperature
    # rows without a positive pair count for nothing; they keep all entries, as the log of an empty sum has no gradient
    counted = positives | negatives | (numbers == 0)[:, None]
    totals = torch.logsumexp(logits.masked_fill(~counted, float("-inf")), dim=1)
    rows = totals * numbers - torch.where(positives, logits, 0.0).sum(1)
    pairs = numbers.view(count, length).sum(1)
    return rows.view(count, length).sum(1) / pairs.clamp(min=1), pairs > 0


@dataclass(frozen=True, slots=True)
class Bank:
    """Projections of patches of earlier steps, the oldest first."""

    ids: Tensor
    """(T,) int64, the code of each."""
    vectors: Tensor
    """(T, p) unit rows."""

    def renewed(
        self, ids: Tensor, vectors: Tensor, generator: torch.Generator, *, limit: int = 100, share: float = 0.5
    ) -> Bank:
        """The bank with a random part of new vectors, of which each code keeps the newest.

        Args:
            ids: (m,) int64 code of each new vector.
            vectors: (m, p), any length.
            generator: on the CPU.
            limit: vectors kept of a code.
            share: of a code's m_k new vectors floor(share * m_k) are taken, so that a single one is not.
        """
        order = torch.randperm(len(ids), generator=generator).to(ids.device)
        rank, size = _ranks(ids[order])
        taken = order[rank < (size * share).long()]
        ids = torch.cat([self.ids, ids[taken]])
        vectors = torch.cat([self.vectors, functional.normalize(vectors[taken], dim=1)])
        rank, size = _ranks(ids)
        kept = size - rank <= limit
        return Bank(ids[kept], vectors[kept])


def _ranks(ids: Tensor) -> tuple[Tensor, Tensor]:
    """How many earlier entries of ids (m,) are equal to each, and how many are equal to it at all."""
    order = ids.argsort(stable=True)
    _, group, sizes = torch.unique_consecutive(ids[order], return_inverse=True, return_counts=True)
    starts = sizes.cumsum(0) - sizes
    rank = torch.empty_like(ids)
    rank[order] = torch.arange(len(ids), device=ids.device) - starts[group]
    size = torch.empty_like(ids)
    size[order] = sizes[group]
    return rank, size
