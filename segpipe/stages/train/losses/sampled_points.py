"""The random points of a training step on crops, as STEGO draws them, and how features are read at points.

Shapes: B items (crops), an S x S arrangement of random points on each, d features. Everything is float32 and on the
device of its inputs; random numbers are drawn on the CPU from the generator that is passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


def sample_coords(generator: torch.Generator, batch: int, samples: int) -> Tensor:
    """Random points, uniform over each item: (batch, samples, samples, 2) in [-1, 1], last axis (x, y).

    -1 and 1 are the centers of the first and last patch.
    """
    return torch.rand((batch, samples, samples, 2), generator=generator) * 2 - 1


def onto_valid(coords: Tensor, valid: Tensor, grids: Tensor, generator: torch.Generator) -> Tensor:
    """Move points that lie on patches without image to random patches with image; the others stay as they are.

    The published sampling is unchanged where every patch is valid. Items without any valid patch keep their points.

    Args:
        coords: (B, S, S, 2) of `sample_coords`.
        valid: (B, N) bool; item i fills the first rows * cols, row by row.
        grids: (B, 2) rows and columns of each item's own grid.
        generator: on the CPU.
    """
    if valid.all():
        return coords
    last = (grids.flip(-1) - 1)[:, None, None, :]  # (B, 1, 1, 2) index of the last column, last row
    x, y = ((coords + 1) / 2 * last).round().long().unbind(-1)
    cells = y * grids[:, 1, None, None] + x
    lost = ~valid.gather(1, cells.flatten(1)).view(cells.shape) & valid.any(1)[:, None, None]
    if not lost.any():
        return coords
    moved = coords.clone()
    for item in lost.flatten(1).any(1).nonzero().flatten().tolist():
        patches = valid[item].nonzero().flatten()
        picked = patches[torch.randint(len(patches), (int(lost[item].sum()),), generator=generator)]
        cols = grids[item, 1]
        place = torch.stack([picked % cols, picked // cols], dim=-1).float()
        moved[item][lost[item]] = place / (grids[item].flip(-1) - 1).clamp(min=1) * 2 - 1
    return moved


def corners(grids: Tensor, coords: Tensor, items: Tensor, firsts: Tensor) -> tuple[Tensor, Tensor]:
    """The four patches around each point and what each counts, by bilinear interpolation.

    Args:
        grids: (B, 2) rows and columns of each item's own grid.
        coords: (M, S, S, 2) of (x, y) in [-1, 1].
        items: (M,) item that the points of each place lie on.
        firsts: (M,) row at which that item begins in a table of tokens.

    Returns:
        (M, S, S, 4) int32 rows of the table, and (M, S, S, 4) float32 shares, which sum to 1.
    """
    cols, firsts = grids[items, 1, None, None].int(), firsts.int()
    last = (grids[items].flip(-1) - 1)[:, None, None, :]
    place = ((coords + 1) / 2 * last).clamp(min=0).minimum(last)  # (M, S, S, 2) in patches
    low = place.floor()
    (x0, y0), (x1, y1) = low.int().unbind(-1), (low + 1).minimum(last).int().unbind(-1)
    wx, wy = (place - low).unbind(-1)
    above, below = (firsts[:, None, None] + y * cols for y in (y0, y1))
    rows = torch.stack([above + x0, above + x1, below + x0, below + x1], dim=-1)
    return rows, torch.stack([(1 - wy) * (1 - wx), (1 - wy) * wx, wy * (1 - wx), wy * wx], dim=-1)


def weigh(table: Tensor, rows: Tensor, shares: Tensor) -> Tensor:
    """Weighted sums of rows of a table (T, d): rows and shares (..., 4) to (..., d).

    Not by indexing: `embedding_bag` makes no copy of the rows, and adds up its gradients in a fixed order, so that a
    training can be resumed bit by bit.
    """
    flat = functional.embedding_bag(
        rows.reshape(-1, rows.shape[-1]),
        table,
        per_sample_weights=shares.reshape(-1, rows.shape[-1]).to(table),
        mode="sum",
    )
    return flat.view(*rows.shape[:-1], table.shape[1])


def bilinear(tokens: Tensor, grids: Tensor, coords: Tensor, items: Tensor | None = None) -> Tensor:
    """Read tokens at points of each item's own grid, bilinearly.

    The same as torch's `grid_sample(mode="bilinear", padding_mode="border", align_corners=True)` on the rows x cols
    tokens of each item, with channels last.

    Args:
        tokens: (B, N, d); item i fills the first rows * cols, row by row.
        grids: (B, 2) rows and columns.
        coords: (B, S, S, 2) of (x, y) in [-1, 1].
        items: (B,) item that the points of each place lie on; each place's own where None.

    Returns:
        (B, S, S, d).
    """
    items = (torch.arange(len(tokens)) if items is None else items).to(tokens.device)
    rows, shares = corners(grids.to(tokens.device), coords, items, items * tokens.shape[1])
    return weigh(tokens.reshape(-1, tokens.shape[-1]), rows, shares)


def other_indices(generator: torch.Generator, n: int) -> Tensor:
    """For each of n items another one: a random permutation whose fixed points are moved on by one, (n,).

    As published ("super_perm"): not always a permutation, and with n = 1 the item itself.
    """
    order = torch.randperm(n, generator=generator)
    own = torch.arange(n)
    return torch.where(order == own, (order + 1) % n, order)


@dataclass(frozen=True, slots=True)
class PointSet:
    """Points of a step that one kind of pair looks at."""

    near: bool
    """Whether they lie on the neighbors, not on the anchors."""
    items: Tensor
    """(B,) the crop they lie on."""
    coords: Tensor
    """(B, S, S, 2) of (x, y) in [-1, 1], off patches without image."""


class CropGrids(Protocol):
    """Which patches of some crops show image."""

    @property
    def grids(self) -> Tensor:
        """(B, 2) int64 on the CPU."""
        ...

    @property
    def valid(self) -> Tensor:
        """(B, N) bool on the CPU."""
        ...


def draw_points(
    anchors: CropGrids, neighbors: CropGrids | None, generator: torch.Generator, *, samples: int, negatives: int
) -> list[tuple[str, PointSet]]:
    """Draw the points of one step, as published: the anchors at one set of random points, all others at a second.

    Args:
        anchors: B crops.
        neighbors: a neighbor of each; None where a corpus has no pairs, and then there is no such kind.
        generator: on the CPU.
        samples: S, points per side of the S x S arrangement.
        negatives: permutations of the anchors; none where B = 1.

    Returns:
        By kind (`self`, `neighbor`, `negative`, the last one `negatives` times) the points to hold the anchors'
        against; those of `self` are the anchors' own.
    """

    def drawn(side: CropGrids, coords: Tensor, items: Tensor, *, near: bool = False) -> PointSet:
        return PointSet(near, items, onto_valid(coords, side.valid[items], side.grids[items], generator))

    size = len(anchors.grids)
    own = torch.arange(size)
    here, there = (sample_coords(generator, size, samples) for _ in range(2))
    found = [("self", drawn(anchors, here, own))]
    if neighbors is not None:
        found.append(("neighbor", drawn(neighbors, there, own, near=True)))
    others = [other_indices(generator, size) for _ in range(negatives if size > 1 else 0)]
    return found + [("negative", drawn(anchors, there, items)) for items in others]
