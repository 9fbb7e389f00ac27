"""Train a head by STEGO (Hamilton et al., ICLR 2022): codes correlate where features correlate more than a shift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from threading import Barrier
from typing import Any, TypeVar

import torch
from torch import Tensor

from segpipe.nn.head import Head, kept_channels
from segpipe.objectives.base import Objective, Patches
from segpipe.ops import pairing
from segpipe.ops.correspondence import Shift
from segpipe.ops.pairing import Clamp, Loss, Part, Places
from segpipe.ops.points import draw_points

_PARTS = 4  # that a step is computed in; always as many, so that sums do not depend on the number of threads

T = TypeVar("T")
R = TypeVar("R")


class Stego(Objective):
    """The correspondence loss within each crop, against a neighbor, and against random others (where there are any).

    Defaults are those of the released model for COCO-Stuff and ViT-S/8: codes of 70, steps of 16 crops.

    The points are drawn first, and only patches next to one of them pass the head. A step is computed in a fixed number
    of parts, side by side: crops for the head, anchors for the loss.
    """

    LR, DIM = 5e-4, 70
    SPREADS = True

    def __init__(
        self,
        head: Head,
        *,
        steps: int,
        seed: int,
        weights: Mapping[str, float] | None = None,
        shifts: Mapping[str, Shift] | None = None,
        samples: int = 11,
        negatives: int = 5,
        pointwise: bool = True,
        zero_clamp: bool = True,
        stabilize: bool = False,
        workers: int = 1,
    ) -> None:
        """Nothing but the head is trained.

        Args:
            head: has no influence here.
            steps: of the whole training; has no influence here.
            seed: has no influence here.
            weights: by kind of pair: `self`, `neighbor`, `negative`.
            shifts: by kind of pair: features that correlate more than this pull codes together; or what makes it of
                every step's mean correlations.
            samples: points per crop and step are samples x samples.
            negatives: random crops that each anchor is held against.
            pointwise: center the features' correlations spatially.
            zero_clamp: do not push codes apart beyond orthogonal.
            stabilize: do not pull codes together beyond a cosine of 0.8.
            workers: threads; the result does not depend on it.
        """
        super().__init__()
        self.weights = dict(weights or {"self": 0.67, "neighbor": 0.25, "negative": 0.63})
        self.shifts: dict[str, Shift] = dict(shifts or {"self": 0.08, "neighbor": 0.02, "negative": 0.66})
        self.samples, self.negatives, self.pointwise = samples, negatives, pointwise
        self.clamp = Clamp(0.0 if zero_clamp else -9999.0, 0.8 if stabilize else 9999.0)
        self._pool = _one_thread_each(workers)
        self._last: tuple[tuple[str, ...], Sequence[Part], Loss] | None = None

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """The head at `lr`."""
        return [{"params": [*head.parameters()], "lr": lr}]

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Parts: `self`, `neighbor` (where there are pairs) and `negative` (where B > 1), before weighting."""
        sides = [anchors] if neighbors is None else [anchors, neighbors]
        # drawn in the order of a head that is passed whole crops; features are dropped too, as published
        kept = [
            [kept_channels(len(side.grids), head.in_dim, head.dropout, generator) for _ in range(3)] for side in sides
        ]
        features, *drops = (torch.cat(parts).to(head.mean.device) for parts in zip(*kept, strict=True))
        drawn = draw_points(anchors, neighbors, generator, samples=self.samples, negatives=self.negatives)
        places = pairing.place(drawn, [side.grids for side in sides], [side.tokens.shape[1] for side in sides])
        places, patches = _needed(places, [side.valid.shape for side in sides])
        tokens = [crop for side in sides for crop in side.tokens]
        with torch.no_grad():
            total, named, slopes = self._compute(
                head, places.to(head.mean.device), tokens, patches, features, (drops[0], drops[1])
            )
        return _Known.apply(total, slopes, *head.parameters()), named

    def _compute(
        self,
        head: Head,
        places: Places,
        tokens: Sequence[Tensor],
        patches: Sequence[Tensor],
        kept: Tensor,
        drops: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor], list[Tensor]]:
        """Loss, its parts, and its slopes by the head's parameters."""
        parameters = [*head.parameters()]
        starts = [0, *accumulate(map(len, patches))]
        table = head.mean.new_empty(starts[-1], head.in_dim)

        def encode(crops: range) -> tuple[slice, Tensor]:
            rows = slice(starts[crops.start], starts[crops.stop])
            with torch.no_grad():
                first, second = (torch.empty_like(table[rows]) for _ in range(2))
                for crop in crops:  # one by one: what is read again and again stays in the processor's cache
                    own = table[starts[crop] : starts[crop + 1]]
                    torch.sub(own.copy_(tokens[crop][patches[crop]]), head.mean, out=own)
                    for dropped, drop in ((first, drops[0]), (second, drops[1])):
                        here = slice(starts[crop] - rows.start, starts[crop + 1] - rows.start)
                        torch.mul(own, drop[crop], out=dropped[here])
            with torch.enable_grad():
                return rows, head.join(first, second)

        coded = self._each(encode, _split(len(patches)))
        codes = torch.cat([part.detach() for _, part in coded])

        def correlate(anchors: range) -> tuple[Tensor, Part]:
            with torch.no_grad():
                own, here = codes.detach().requires_grad_(), places.part(anchors)
                return own, pairing.correlate(
                    table, own, kept[here.items], here, pointwise=self.pointwise, clamp=self.clamp
                )

        paired = self._each(correlate, _split(len(places.items)))
        loss = pairing.step_loss(
            torch.stack([part.sums for _, part in paired]).sum(0),
            places.kinds,
            pairs=places.rows.shape[0] * places.rows.shape[2] ** 2,
            weights=self.weights,
            shifts=self.shifts,
            pointwise=self.pointwise,
        )
        slopes = _added(self._each(lambda one: pairing.slope(one[1], one[0], loss), paired))

        def to_head(one: tuple[slice, Tensor]) -> tuple[Tensor, ...]:
            rows, part = one
            return torch.autograd.grad(part, parameters, slopes[rows])

        found = self._each(to_head, coded)
        self._last = places.kinds, [Part(p.found.detach(), p.clamped, p.held, p.sums) for _, p in paired], loss
        return (
            loss.total.float(),
            {kind: part.float() for kind, part in loss.parts.items()},
            [_added(same) for same in zip(*found, strict=True)],
        )

    def correlations(self) -> dict[str, Tensor]:
        """Of all pairs of points of the last step."""
        if self._last is None:
            return {}
        kinds, parts, loss = self._last
        found = {}
        for kind in dict.fromkeys(kinds):
            sets = torch.tensor([i for i, name in enumerate(kinds) if name == kind], device=loss.bases.device)
            bases = loss.bases[sets].float()[:, None]
            found[f"code_{kind}"] = torch.cat([part.found[:, :, sets] for part in parts])
            found[f"feature_{kind}"] = torch.cat([part.held[:, :, sets] + bases for part in parts])
        return found

    def _each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        return list(self._pool.map(function, items))


class _Known(torch.autograd.Function):
    """A number whose slopes by some tensors are known."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, slopes: list[Tensor], *of: Tensor) -> Tensor:
        ctx.slopes = slopes
        return value.clone()

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(given * slope for slope in ctx.slopes)


def _one_thread_each(workers: int) -> ThreadPoolExecutor:
    """Threads in which torch computes alone: many small operations share processors better in parts than each."""
    before = torch.get_num_threads()

    def alone() -> None:
        torch.get_num_threads()  # else a thread takes the common number when it first computes
        torch.set_num_threads(1)

    pool = ThreadPoolExecutor(workers, initializer=alone)
    together = Barrier(workers)  # so that all of them start now
    for started in [pool.submit(together.wait) for _ in range(workers)]:
        started.result()
    torch.set_num_threads(before)  # what later threads begin with
    return pool


def _split(count: int) -> list[range]:
    """At most `_PARTS` ranges of about the same length."""
    ends = [count * i // _PARTS for i in range(_PARTS + 1)]
    return [range(a, b) for a, b in pairwise(ends) if b > a]


def _added(parts: Sequence[Tensor]) -> Tensor:
    """Their sum, in their order."""
    total = parts[0].clone()
    for part in parts[1:]:
        total += part
    return total


def _needed(places: Places, shapes: Sequence[torch.Size]) -> tuple[Places, list[Tensor]]:
    """The patches next to any point, which alone the head has to see.

    Args:
        places: their rows are those of a table of all patches.
        shapes: (B, N) of the anchors, and of the neighbors where there are any.

    Returns:
        The places with rows of a table of the needed patches; for each crop which of its N places are needed, rising.
    """
    needed = torch.zeros(sum(shape.numel() for shape in shapes), dtype=torch.bool)
    needed[places.rows.flatten()] = True
    moved = Places(places.kinds, (needed.cumsum(0) - 1)[places.rows], places.shares, places.items)
    sides = needed.split_with_sizes([shape.numel() for shape in shapes])
    return moved, [
        crop.nonzero().flatten() for side, shape in zip(sides, shapes, strict=True) for crop in side.view(shape)
    ]
