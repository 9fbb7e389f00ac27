"""Watches the teacher while it trains, without labels: agreement of two views, effective rank, collapse.

Always the same images, in the same two augmented views each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from segpipe.commands.pretrain.method import HeadedNetwork, Judgement, Method
from segpipe.images.headers import BadImage
from segpipe.nn.pretraining.self_distillation import entropies, teacher_probabilities
from segpipe.ops.pretraining.feature_health import Vitals, collapse_sign, effective_rank, view_agreement

_DRAWS = 77  # after the seed, so that no draw of the training is alike
_BATCH = 32  # views of a forward pass
_IN_A_ROW = 3  # judgements that must show a sign: early in a training outputs may be nearly uniform for a while
_REMEDY = (
    "where that lasts the weights are of no use; begin again with a lower --lr, a larger --batch, a longer --warmup, "
    "or weights to begin with (--init)"
)


class FeatureWatch:
    """The judge of a training."""

    def __init__(self, method: Method, *, images: int, seed: int, device: str) -> None:
        """Choose the images; they are read at the first judgement.

        Args:
            method: whose items they are, and whose center and temperature the teacher's outputs have.
            images: how many at most, spread evenly over the items.
            seed: of the views.
            device: where the teacher lies.
        """
        self._method, self._seed, self._device = method, seed, device
        count = len(method)
        self._items = [count * place // min(images, count) for place in range(min(images, count))]
        self._pairs: tuple[Tensor, Tensor] | None = None
        self._best = 0.0
        self._signs = 0
        self._said = False

    def judge(self, teacher: HeadedNetwork, step: int, figures: Mapping[str, float]) -> Judgement:
        """Look at the teacher. A collapse is said once, when three judgements in a row show a sign of it.

        Args:
            teacher: on its device.
            step: counted from 0.
            figures: of this step; not asked here, for those of a micro-batch of few images say little.

        Returns:
            `knn_agreement`, 0 to 1, `rank`, 1 or more, and `spread`, nats: how much the teacher's outputs differ from
            image to image. None of them where fewer than two images can be read.
        """
        first, second = self._views()
        if len(first) < 2:
            return Judgement({})
        seen, answers = self._ask(teacher, torch.cat([first, second]), step)
        vitals = Vitals(effective_rank(seen), *entropies(answers))
        self._best = max(self._best, vitals.rank)
        sign = collapse_sign(vitals, outputs=answers.shape[1], best_rank=self._best)
        self._signs = self._signs + 1 if sign else 0
        collapse = ""
        if self._signs >= _IN_A_ROW and not self._said:
            self._said = True
            collapse = f"collapse: {sign}; {_REMEDY}"
        found = {
            "knn_agreement": view_agreement(seen[: len(first)], seen[len(first) :]),
            "rank": vitals.rank,
            "spread": vitals.mean_entropy - vitals.entropy,
        }
        return Judgement(found, collapse)

    def state(self) -> Mapping[str, float]:
        """The highest rank so far, and how often a sign was seen in a row."""
        return {"best_rank": self._best, "signs": float(self._signs), "said": float(self._said)}

    def load_state(self, values: Mapping[str, float]) -> None:
        """Take up what `state` gave."""
        self._best, self._signs = values["best_rank"], int(values["signs"])
        self._said = bool(values["said"])

    def _views(self) -> tuple[Tensor, Tensor]:
        """Two views (N, 3, S, S) float16 of every image that can be read."""
        if self._pairs is None:
            pairs = list(self._read())
            one, other = zip(*pairs, strict=True) if pairs else ((), ())
            self._pairs = (_stacked(one), _stacked(other))
        return self._pairs

    def _read(self) -> Iterator[tuple[Tensor, Tensor]]:
        for item in self._items:
            try:
                first, second = self._method.pair(item, np.random.default_rng([self._seed, _DRAWS, item]))
            except BadImage:
                continue
            yield first.half(), second.half()

    @torch.no_grad()
    def _ask(self, teacher: HeadedNetwork, views: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """The teacher's features (N, d) of views (N, 3, S, S), and its outputs (N, K) as the student is given them."""
        center = self._method.state()["center"]
        temperature = self._method.figures(step)["teacher_temperature"]
        seen, answers = [], []
        for start in range(0, len(views), _BATCH):
            features = teacher.features(views[start : start + _BATCH].to(self._device).float())
            seen.append(features.float())
            answers.append(teacher_probabilities(teacher.head(features).float(), center, temperature=temperature))
        return torch.cat(seen), torch.cat(answers)


def _stacked(views: tuple[Tensor, ...]) -> Tensor:
    return torch.stack(views) if views else torch.zeros(0)
