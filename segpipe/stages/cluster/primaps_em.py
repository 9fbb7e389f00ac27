"""PriMaPs-EM: masks of similar patches within an image decide the classes a linear head is fitted to.

Hahn et al., "Boosting Unsupervised Semantic Segmentation with Principal Mask Proposals", TMLR 2024, section 3.
Published masks end with a dense CRF at the image's size; here they stay on the patch grid.

Masks are NumPy arrays of one crop, computed once. The head is fitted on tensors of B crops of N patches, float32 and on
one device, K classes; patches of region -1 are never labelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

NO_REGION = -1


def principal_masks(
    features: npt.NDArray[np.floating],
    valid: npt.NDArray[np.bool_] | None = None,
    *,
    threshold: float = 0.4,
    cover: float = 0.95,
) -> npt.NDArray[np.float32]:
    """Groups of similar patches of one crop, the one along the largest variance first.

    Of the patches in no mask yet, the first principal direction is found; the patch that lies nearest to it gives the
    mask: cosines to that patch, 0 below `threshold` of the largest. So on until enough are covered. A principal
    direction has no sign: the published code takes the one that its random start leaves, here it is the one whose
    nearest patch is nearer.

    Args:
        features: (rows, cols, d).
        valid: (rows, cols), all where None. Patches of length 0 have no direction and count as not valid.
        threshold: share of the largest cosine.
        cover: share of the valid patches to cover.

    Returns:
        (m, rows, cols) in [0, 1]; no patch is in two masks. m = 0 where no patch is valid.
    """
    from scipy.linalg import eigh

    rows, cols, dim = features.shape
    x = np.asarray(features, np.float64).reshape(-1, dim)
    free = np.ones(len(x), bool) if valid is None else valid.ravel().copy()
    x[~free] = 0
    lengths = np.sqrt((x * x).sum(1))
    free &= lengths > 0
    units = x / np.where(lengths > 0, lengths, 1)[:, None]
    wanted, masks = cover * free.sum(), []
    total = int(free.sum())
    while free.any() and total - free.sum() < wanted:
        centered = x[free] - x[free].mean(0)
        small = len(centered) < dim  # the smaller of two matrices with the same eigenvalues
        gram = centered @ centered.T if small else centered.T @ centered
        _, vectors = eigh(gram, subset_by_index=[len(gram) - 1, len(gram) - 1])
        first = centered.T @ vectors[:, 0] if small else vectors[:, 0]
        nearest = int(np.where(free, np.abs(units @ first), -1).argmax())
        cosines = np.where(free, units @ units[nearest], 0)
        cosines[cosines < threshold * cosines.max()] = 0
        masks.append((cosines / cosines.max()).reshape(rows, cols))
        free &= cosines == 0
    return np.array(masks, np.float32).reshape(-1, rows, cols)


def regions(
    masks: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_] | None = None, *, smooth: int = 3
) -> npt.NDArray[np.int64]:
    """Which mask each patch belongs to, after a median filter of each mask that takes single patches away.

    Args:
        masks: (m, rows, cols) of `principal_masks`.
        valid: (rows, cols), all where None.
        smooth: side of the filter; 1 for none.

    Returns:
        (rows, cols): the first mask that is not 0, -1 for patches in none or not valid.
    """
    from scipy.ndimage import median_filter

    if not len(masks):
        return np.full(masks.shape[1:], NO_REGION)
    inside = median_filter(masks, size=(1, smooth, smooth), mode="mirror") > 0
    found = np.where(inside.any(0), inside.argmax(0), NO_REGION)
    return found if valid is None else np.where(valid, found, NO_REGION)


def pseudo_labels(regions: Tensor, classes: Tensor, *, count: int) -> Tensor:
    """The most frequent class of each region, given to all of its patches.

    Args:
        regions: (B, N) int64 of `regions`, -1 for none.
        classes: (B, N) int64 in 0 to count - 1.
        count: K.

    Returns:
        (B, N) int64, -1 where there is no region; the smallest of equally frequent classes.
    """
    width = max(1, int(regions.max()) + 1)
    members = functional.one_hot(regions + 1, width + 1)[..., 1:].float()
    votes = torch.einsum("bnm,bnk->bmk", members, functional.one_hot(classes, count).float())
    # votes are whole numbers, so that less than 1 breaks ties
    first = torch.arange(count, device=votes.device) / (count + 1)
    winners = (votes - first).argmax(-1)
    labels = winners.gather(1, regions.clamp(min=0))
    return torch.where(regions >= 0, labels, NO_REGION)


def focal_loss(logits: Tensor, labels: Tensor, valid: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Cross entropy in which classes that the head is sure of everywhere count less: weight (1 - mean p_k) ** gamma.

    Args:
        logits: (B, N, K).
        labels: (B, N) int64, -1 for patches that do not count.
        valid: (B, N) bool, the patches that the mean of p is taken over.
        gamma: see above.

    Returns:
        The mean over valid patches, to which those without label add 0, as published; 0 without any.
    """
    shown = valid.to(logits)[..., None]
    mean = (logits.detach().softmax(-1) * shown).sum((0, 1)) / shown.sum().clamp(min=1)
    losses = functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), weight=(1 - mean) ** gamma, ignore_index=NO_REGION, reduction="none"
    )
    return (losses * valid.flatten()).sum() / valid.sum().clamp(min=1)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What `fit` found. A patch's class is the largest of its products with the directions."""

    directions: Tensor
    """(K, d), the running mean of the head; about unit rows."""
    student: Tensor
    """(K, d), the head itself."""
    losses: tuple[float, ...]
    """Of each step."""


def fit(
    batches: Iterable[tuple[Tensor, Tensor, Tensor]],
    centers: Tensor,
    *,
    lr: float = 5e-3,
    gamma: float = 2.0,
    keep: float = 0.98,
    every: int = 10,
) -> Fitted:
    """Fit a linear head to pseudo labels that its own running mean gives to whole regions.

    Each step labels regions with the running mean's classes (E), and moves the head towards them by Adam (M). The head
    is a scale times a unit direction for each class. Its running mean is a plain mean of the first snapshots until a
    new one's share has come down to 1 - keep; as in the published code the second one replaces the first and counts
    twice.

    Args:
        batches: of each step: features (B, N, d), frozen or codes, whose length decides how sharp the softmax is;
            regions (B, N) int64; valid (B, N) bool.
        centers: (K, d) first directions, any length, such as centers of k-means.
        lr: learning rate of Adam.
        gamma: of `focal_loss`.
        keep: largest share of the running mean that stays.
        every: steps between its updates.
    """
    direction = functional.normalize(centers.detach().clone(), dim=1).requires_grad_()
    scale = torch.ones_like(direction[:, :1]).requires_grad_()
    average = [direction.detach().clone(), scale.detach().clone()]
    optimizer = torch.optim.Adam([direction, scale], lr=lr)

    def weights(direction: Tensor, scale: Tensor) -> Tensor:
        return functional.normalize(direction, dim=1) * scale

    losses, updates = [], 0
    for step, (features, parts, valid) in enumerate(batches):
        with torch.no_grad():
            classes = (features @ weights(*average).T).argmax(-1)
            labels = pseudo_labels(torch.where(valid, parts, NO_REGION), classes, count=len(centers))
        loss = focal_loss(features @ weights(direction, scale).T, labels, valid, gamma=gamma)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % every == 0:
            stays = min(keep, updates / (updates + 1)) if updates > 1 else 0.0
            updates += 1
            with torch.no_grad():
                for mean, now in zip(average, (direction, scale), strict=True):
                    mean.lerp_(now, 1 - stays)
    return Fitted(weights(*average), weights(direction, scale).detach(), tuple(losses))
