"""Clusters: classes found without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """Cosine clusters of codes, or of features projected on principal components.

    A vector x is first projected, z = (x - mean) @ components.T (identity where both are None), then belongs to
    the center with the largest cosine.
    """

    centers: npt.NDArray[np.float32]
    """(clusters, dim) unit rows."""
    inertia: float
    """Mean cosine of the fitted vectors to their center; larger is tighter."""
    mean: npt.NDArray[np.float32] | None = None
    """(in_dim,)"""
    components: npt.NDArray[np.float32] | None = None
    """(dim, in_dim)"""

    def __post_init__(self) -> None:
        if self.centers.ndim != 2 or not np.isfinite(self.centers).all():
            raise ValueError(f"centers must be a finite (clusters, dim) array, got {self.centers.shape}")
        if not np.allclose(np.linalg.norm(self.centers, axis=1), 1, atol=1e-3):
            raise ValueError("centers must have unit length")
        if (self.mean is None) != (self.components is None):
            raise ValueError("mean and components come together")
        if self.components is not None and len(self.components) != self.centers.shape[1]:
            raise ValueError(f"components are {self.components.shape}, centers {self.centers.shape}")

    @property
    def clusters(self) -> int:
        """How many clusters."""
        return len(self.centers)

    def project(self, vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Bring vectors (..., in_dim) to the space of the centers (..., dim)."""
        x = np.asarray(vectors, np.float32)
        if self.mean is None or self.components is None:
            return x
        return np.asarray((x - self.mean) @ self.components.T, np.float32)
