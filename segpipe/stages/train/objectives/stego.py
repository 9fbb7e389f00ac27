"""STEGO objective (Hamilton et al., ICLR 2022): codes correlate where features correlate more than a shift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise
from threading import Barrier
from typing import Any, TypeVar

import torch
from torch import Tensor

from segpipe.nn.head import Head, kept_channels
from segpipe.stages.train.losses import pairing
from segpipe.stages.train.losses.pairing import Clamp, PairTargets, PointLayout, PointVectors, StepLoss
from segpipe.stages.train.losses.sampled_points import draw_points
from segpipe.stages.train.objective_configs import StegoConfig
from segpipe.stages.train.objectives.objective import Objective, Patches

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

    def __init__(self, head: Head, config: StegoConfig, *, steps: int, seed: int) -> None:
        """Nothing but the head is trained.

        Args:
            head: has no influence here.
            config: settings.
            steps: of the whole training; has no influence here.
            seed: has no influence here.
        """
        super().__init__()
        self.config = config
        self.clamp = Clamp(0.0 if config.zero_clamp else -9999.0, 0.8 if config.stabilize else 9999.0)
        self._pool = _one_thread_each(config.workers)
        self._last: tuple[tuple[str, ...], Sequence[PointVectors], PairTargets] | None = None

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """The head at `lr`."""
        return [{"params": [*head.parameters()], "lr": lr}]

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Parts: `self`, `neighbor` (where there are pairs) and `negative` (where B > 1), before weighting."""
        sides = [anchors] if neighbors is None else [anchors, neighbors]
        # drawn in the order of a head that is passed whole crops; features are dropped too, as published
        kept = [kept_channels(3 * len(side.grids), head.in_dim, head.dropout, generator) for side in sides]
        drops = torch.cat([ways.view(3, -1, head.in_dim) for ways in kept], dim=1).to(head.mean.device)
        drawn = draw_points(anchors, neighbors, generator, samples=self.config.samples, negatives=self.config.negatives)
        layout = pairing.lay_out(drawn, [side.grids for side in sides], [side.tokens.shape[1] for side in sides])
        tokens = [crop for side in sides for crop in side.tokens]
        with torch.no_grad():
            total, named, slopes = self._compute(head, layout.to(head.mean.device), tokens, drops)
        return _Known.apply(total, slopes, *head.parameters()), named

    def _compute(
        self, head: Head, layout: PointLayout, tokens: Sequence[Tensor], drops: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], list[Tensor]]:
        """Loss, its parts, and its gradients by the head's parameters.

        Args:
            head: it is only read.
            layout: of the points.
            tokens: (N, d) of each crop, the anchors' first.
            drops: (3, crops, d) what channels are multiplied by: of the features, of the head's two inputs.
        """
        rows = _TokenRows.of(layout, head, drops)
        features = head.mean.new_empty(rows.starts[-1], head.in_dim)
        codes = head.mean.new_empty(rows.starts[-1], head.dim)

        def encode(crops: range) -> tuple[Tensor, Tensor]:
            span = rows.span(crops)
            stored = torch.cat([tokens[i].index_select(0, layout.patches[i]) for i in crops]).to(features.device)
            first, second = (torch.empty_like(features[span]) for _ in range(2))
            rows.drop(crops, stored.float(), range(3), [features[span], first, second])
            codes[span], hidden = head.pass_rows(first, second)
            return stored, hidden

        crops = _split(len(tokens))
        encoded = self._each(encode, crops)
        loss, by_codes = self._points_loss(layout, features, codes)

        def to_head(part: tuple[range, tuple[Tensor, Tensor]]) -> tuple[Tensor, ...]:
            crops, (stored, hidden) = part
            first, second = (torch.empty_like(hidden) for _ in range(2))
            rows.drop(crops, stored.float(), range(1, 3), [first, second])  # again, which is faster than to keep them
            return head.pass_back(first, second, hidden, by_codes[rows.span(crops)])

        gradients = self._each(to_head, [*zip(crops, encoded, strict=True)])
        return (
            loss.total.float(),
            {kind: part.float() for kind, part in loss.parts.items()},
            [_added(same) for same in zip(*gradients, strict=True)],
        )

    def _points_loss(self, layout: PointLayout, features: Tensor, codes: Tensor) -> tuple[StepLoss, Tensor]:
        """The loss of all pairs of points, and its gradient by codes.

        Args:
            layout: of the points.
            features: (T, d) of each token of the table.
            codes: (T, c) of each token of the table.

        Returns:
            The loss, and (T, c).
        """
        config, anchors = self.config, len(layout.interpolation.rows)
        parts = [layout.interpolation.part(some) for some in _split(anchors)]
        points = self._each(lambda part: pairing.read_points(features, codes, part), parts)
        pairs = anchors * config.samples**4
        targets = pairing.pair_targets(
            torch.stack([part.sums() for part in points]).sum(0),
            layout.kinds,
            pairs=pairs,
            weights=config.weights,
            shifts=config.shifts,
            pointwise=config.pointwise,
        )
        found = self._each(lambda part: pairing.pair_gradients(part, targets, self.clamp), points)
        loss = pairing.step_loss(torch.stack([part.sums for part in found]).sum(0), targets, layout.kinds, pairs=pairs)
        by_points = self._each(
            lambda one: pairing.by_points(one[0], one[1].by_codes, loss.by_cosines), [*zip(points, found, strict=True)]
        )
        self._last = layout.kinds, points, targets
        return loss, layout.readers.collect(torch.cat(by_points).flatten(0, 2))

    def means(self) -> dict[str, Tensor]:
        """Of the last step's pairs, without looking at each of them."""
        if self._last is None:
            return {}
        kinds, points, _ = self._last
        features, codes = torch.stack([part.sums() for part in points]).sum(0)
        pairs = sum(len(part.codes) * part.codes.shape[2] ** 2 for part in points)
        found: dict[str, Tensor] = {}
        for kind in dict.fromkeys(kinds):
            sets = [i for i, name in enumerate(kinds) if name == kind]
            found |= {f"code_{kind}": codes[sets].mean() / pairs, f"feature_{kind}": features[sets].mean() / pairs}
        return found

    @torch.no_grad()
    def correlations(self) -> dict[str, Tensor]:
        """Of all pairs of points of the last step."""
        if self._last is None:
            return {}
        kinds, points, targets = self._last
        codes, features = (
            torch.cat(parts) for parts in zip(*(pairing.correlations(part, targets) for part in points), strict=True)
        )
        found: dict[str, Tensor] = {}
        for kind in dict.fromkeys(kinds):
            sets = [i for i, name in enumerate(kinds) if name == kind]
            found |= {f"code_{kind}": codes[:, :, sets], f"feature_{kind}": features[:, :, sets]}
        return found

    def _each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        return list(self._pool.map(function, items))


@dataclass(frozen=True, slots=True)
class _TokenRows:
    """Where the tokens of each crop lie in a step's table, and how their channels are dropped."""

    lengths: list[int]
    starts: list[int]
    terms: list[list[tuple[Tensor, Tensor]]]
    """Of each way and crop: what is added to tokens (d,), and what they are multiplied by (d,)."""

    @classmethod
    def of(cls, layout: PointLayout, head: Head, drops: Tensor) -> _TokenRows:
        """Of a step's points, and of `drops` (3, crops, d), what channels are multiplied by."""
        lengths = [len(read) for read in layout.patches]
        terms = [[*zip((-head.mean * way).unbind(), way.unbind(), strict=True)] for way in drops]
        return cls(lengths, [0, *accumulate(lengths)], terms)

    def span(self, crops: range) -> slice:
        """The rows of some crops."""
        return slice(self.starts[crops.start], self.starts[crops.stop])

    def drop(self, crops: range, tokens: Tensor, ways: range, outs: Sequence[Tensor]) -> None:
        """Write tokens of some crops without their mean, dropped in some of the three ways, into `outs`."""
        lengths = self.lengths[crops.start : crops.stop]
        for way, out in zip(ways, outs, strict=True):
            sides = (torch.split(rows, lengths) for rows in (tokens, out))
            for (less, kept), here, there in zip(self.terms[way][crops.start : crops.stop], *sides, strict=True):
                torch.addcmul(less, here, kept, out=there)


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
