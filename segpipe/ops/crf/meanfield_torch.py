"""Mean-field inference of a dense CRF by torch: the same steps as `meanfield`, for a GPU.

Sums over the pixels around a vertex are in no fixed order on a GPU: results may differ by rounding from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from segpipe.ops.crf.meanfield import LEAST_PROBABILITY, absent, may_drop
from segpipe.ops.crf.permutohedral import PermutohedralLattice

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Kernel:
    corners: torch.Tensor
    """(d + 1, n) vertices around each pixel."""
    weights: torch.Tensor
    """(d + 1, n, 1)"""
    before: torch.Tensor
    """(d + 1, vertices) neighbor along each axis; where there is none, the number of vertices."""
    after: torch.Tensor
    gain: float


def infer(
    probabilities: Float32,
    near: PermutohedralLattice,
    far: PermutohedralLattice,
    weights: tuple[float, float],
    *,
    iterations: int,
    tolerance: float,
    device: str,
) -> Float32:
    """As `meanfield.infer`, on a torch device; `near` is a lattice of all pixels' positions."""
    pixels, count = probabilities.shape
    kernels = [_kernel(lattice, weight, device) for lattice, weight in zip((near, far), weights, strict=True)]
    prior = torch.from_numpy(np.ascontiguousarray(probabilities)).to(device).clamp(LEAST_PROBABILITY, 1)
    q = prior / prior.sum(1, keepdim=True)
    classes, left = np.arange(count), tolerance
    rest = torch.zeros((pixels, 1), device=device)
    out = torch.empty((pixels, count), device=device)
    dropped: list[tuple[npt.NDArray[np.int64], torch.Tensor]] = []
    level = torch.ones((pixels, 1), device=device)
    for remaining in reversed(range(iterations)):
        messages = torch.zeros_like(q)
        for kernel in kernels:
            _add_message(kernel, q, messages)
        highest = messages.max(1, keepdim=True).values
        numerators = prior * torch.exp(messages - highest)
        shrink = torch.exp(-highest)
        sums = numerators.sum(1, keepdim=True) + rest * shrink
        q, level = numerators / sums, sums / shrink
        if not may_drop(sum(weights), tolerance) or not remaining:
            continue
        losses = 2 * (q * messages).mean(0).double().cpu().numpy() / count
        gone = absent(losses, left)
        if len(gone):
            left -= float(losses[gone].sum())
            dropped.append((classes[gone], q[:, gone] * level))
            rest = rest + dropped[-1][1].sum(1, keepdim=True)
            kept = np.delete(np.arange(len(classes)), gone)
            classes, q, prior = classes[kept], q[:, kept], prior[:, kept]
    out[:, classes] = q
    for columns, numerators in dropped:
        out[:, columns] = numerators / level
    return np.asarray(out.cpu().numpy())


def _add_message(kernel: _Kernel, q: torch.Tensor, messages: torch.Tensor) -> None:
    """Splat, blur, slice; the last row of the vertices' values stays zero and stands for those that do not exist."""
    vertices = kernel.before.shape[1]
    values = torch.zeros((vertices + 1, q.shape[1]), device=q.device)
    for corners, weights in zip(kernel.corners, kernel.weights, strict=True):
        values.index_add_(0, corners, weights * q)
    for before, after in zip(kernel.before, kernel.after, strict=True):
        values[:-1] += 0.5 * (values[before] + values[after])
    for corners, weights in zip(kernel.corners, kernel.weights, strict=True):
        messages += kernel.gain * weights * values[corners]


def _kernel(lattice: PermutohedralLattice, weight: float, device: str) -> _Kernel:
    size, vertices = lattice.corners.shape[1], lattice.vertices
    before, after = (np.full((size, vertices), vertices, np.int64) for _ in range(2))
    axis = 0
    for stage in lattice.stages:
        for ends in stage.ends:
            members = stage.members[ends[0] : ends[-1]]
            here, there = members[:-1][members[:-1] >= 0], members[1:][members[:-1] >= 0]
            there = np.where(there < 0, ~there, there)
            after[axis, here], before[axis, there] = there, here
            axis += 1
    corners = torch.from_numpy(lattice.corners.T.astype(np.int64)).to(device)
    weights = torch.from_numpy(np.ascontiguousarray(lattice.weights.T)).to(device)[..., None]
    links = [torch.from_numpy(array).to(device) for array in (before, after)]
    return _Kernel(corners, weights, links[0], links[1], lattice.scale * weight)
