"""The context that labels are carried from: a frame whose labels are given, and the last ones that were labelled."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from segpipe.ops.propagation.label_affinity import AffinityRule, carry_labels


class LabelContext:
    """Carries labels from one frame to the next, in either direction of time; holds `recent` frames beside the first.

    Features are (rows, cols, d) of length 1, labels (rows, cols, channels).
    """

    def __init__(self, features: Tensor, labels: Tensor, rule: AffinityRule, *, recent: int) -> None:
        """Begin at a frame with given labels.

        Args:
            features: of that frame.
            labels: of that frame.
            rule: how labels are carried.
            recent: how many of the last frames labels are taken from, beside that frame.
        """
        self.rule = rule
        self._given = features, labels
        self._last: deque[tuple[Tensor, Tensor]] = deque(maxlen=recent)

    @property
    def given(self) -> tuple[Tensor, Tensor]:
        """Features and labels of the frame that it began at."""
        return self._given

    def step(self, features: Tensor) -> Tensor:
        """The labels (rows, cols, channels) of the next frame, which joins the context."""
        frames = [self._given, *self._last]
        labels = carry_labels(features, [frame[0] for frame in frames], [frame[1] for frame in frames], self.rule)
        self._last.append((features, labels))
        return labels

    def tensors(self) -> dict[str, Tensor]:
        """Its state, for `restored`: features and labels of its frames, the given one first."""
        frames = [self._given, *self._last]
        return {"features": torch.stack([f for f, _ in frames]), "labels": torch.stack([y for _, y in frames])}

    @classmethod
    def restored(cls, tensors: dict[str, Tensor], rule: AffinityRule, *, recent: int) -> LabelContext:
        """The context that had this state."""
        (given, *last) = zip(tensors["features"], tensors["labels"], strict=True)
        context = cls(*given, rule, recent=recent)
        context._last.extend(last)
        return context
