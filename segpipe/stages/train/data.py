"""Training data: the crops of a run, drawn by seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base import parallel
from segpipe.base.errors import CorpusError
from segpipe.ops.clustering import sampler
from segpipe.ops.clustering.kmeans import Moments
from segpipe.store.batch_reader import Batch, read_batch
from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import Valid, mean_feature, sampled_blocks

if TYPE_CHECKING:
    from torch import Tensor

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """The crops of a run; everything random comes from the seed."""

    store: FeatureStore
    valid: Valid
    images: Int64
    """(n,) image of every crop."""
    neighbors: Int64
    """(n, k) neighbors of every crop."""
    batch: int
    """Anchors per step."""
    seed: int

    @cached_property
    def mean(self) -> Float32:
        """The mean feature (d,)."""
        return mean_feature(self.store, self.valid, seed=self.seed)

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """The batches of the steps from `start` to `stop`."""
        rows_of = sampler.draw_rows(self.valid.crops, self.neighbors, batch=self.batch, seed=self.seed)
        return parallel.thread_map(
            lambda step: read_batch(self.store, self.valid, step, *rows_of(step)),
            range(start, stop),
            workers=1,
            ahead=3,
        )

    def principal_components(self, count: int, *, whiten: int = 0) -> tuple[Float32, Float32]:
        """Mean (d,) and directions (count, d) of a seeded sample of crops, as `Moments.principal_components`."""
        moments = Moments(self.store.header.dim)
        for tokens in sampled_blocks(self.store, self.valid, seed=self.seed):
            moments.add(tokens)
        return moments.principal_components(count, whiten=whiten)

    def patches(self, count: int, number: int) -> Tensor:
        """(count, d) float32 random valid patches, each of another crop; fewer where there are fewer crops.

        Args:
            count: how many.
            number: draws from (seed, 5, number).
        """
        import torch

        rng = np.random.default_rng((self.seed, 5, number))
        crops = np.sort(rng.choice(self.valid.crops, min(count, len(self.valid.crops)), replace=False))
        picked = []
        for crop in crops.tolist():
            shown = self.store.batch([crop])[self.valid(np.array([crop]))]
            picked.append(shown[rng.integers(len(shown))])
        return torch.from_numpy(np.array(picked, np.float32).reshape(len(crops), self.store.header.dim))


def fitting_batch(wanted: int, *, crops: int) -> int:
    """The batch size for this many crops.

    Raises:
        CorpusError: there are none.
    """
    if not crops:
        raise CorpusError("no crop shows any image (all patches are without content), so there is nothing to train on")
    return min(wanted, crops)
