"""PriMaPs-EM on top of any head: clusters fitted anew to regions of similar patches (Hahn et al., TMLR 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.runtime import Runtime
from segpipe.inference.codes import encode
from segpipe.records.clusters import ClusterModel
from segpipe.stages.cluster.primaps_em import fit, principal_masks, regions
from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import Valid

if TYPE_CHECKING:
    from torch import Tensor

    from segpipe.nn.head import Head

_BATCH, _KEPT = 32, 4096
_SHARPNESS = 10.0  # length of the codes: the logits of a unit code would hardly differ

Int64 = npt.NDArray[np.int64]


def class_means(model: ClusterModel, sizes: Int64) -> npt.NDArray[np.float32]:
    """Directions (K, dim) of the clusters: means of their centers, weighted by the patches (F,) of each."""
    members = np.arange(len(model.centers)) if model.members is None else model.members
    total = np.zeros((model.clusters, model.centers.shape[1]))
    np.add.at(total, members, model.centers * sizes[:, None])
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float32)


def refit(
    model: ClusterModel, sizes: Int64, head: Head, store: FeatureStore, *, steps: int, seed: int, runtime: Runtime
) -> ClusterModel:
    """Fit one direction per cluster by expectation and maximization over principal masks.

    Masks are found in the frozen features of a crop, without a CRF; the pseudo label of a mask is the most frequent
    cluster in it. The codes are those that the clusters were found in.

    Args:
        model: the clusters so far.
        sizes: (F,) patches of each of their centers.
        head: gives the codes.
        store: features.
        steps: of 32 random crops each.
        seed: step i draws from (seed, 2, i).
        runtime: progress.

    Returns:
        A model with one center per cluster.
    """
    import torch

    crops, valid_of = Valid(store).crops, lru_cache(maxsize=_KEPT)(store.valid)

    @lru_cache(maxsize=_KEPT)
    def parts(crop: int) -> npt.NDArray[np.int16]:
        valid = valid_of(crop)
        return regions(principal_masks(store.patches(crop).astype(np.float32), valid), valid).astype(np.int16)

    def batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for step in runtime.track(range(steps), total=steps, unit="PriMaPs steps"):
            drawn = np.random.default_rng((seed, 2, step)).choice(crops, min(_BATCH, len(crops)), replace=False)
            places = store.grids[drawn].prod(axis=1)
            codes = np.zeros((len(drawn), places.max(), model.centers.shape[1]), np.float32)
            labels, shown = np.full(codes.shape[:2], -1, np.int64), np.zeros(codes.shape[:2], bool)
            for i, (crop, count) in enumerate(zip(drawn.tolist(), places.tolist(), strict=True)):
                field = encode(head, model, store.patches(crop), valid_of(crop)).reshape(count, -1)
                lengths = np.linalg.norm(field, axis=1, keepdims=True)
                codes[i, :count] = _SHARPNESS * field / np.maximum(lengths, 1e-10)
                labels[i, :count], shown[i, :count] = parts(crop).ravel(), valid_of(crop).ravel()
            yield torch.from_numpy(codes), torch.from_numpy(labels), torch.from_numpy(shown)

    found = fit(batches(), torch.from_numpy(class_means(model, sizes))).directions.numpy()
    centers = found / np.linalg.norm(found, axis=1, keepdims=True)
    return replace(model, centers=centers.astype(np.float32), members=None)
