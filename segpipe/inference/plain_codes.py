"""Codes of features without torch, which takes seconds and half a gigabyte to load: for programs that stay small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.inference.codes import HEAD
from segpipe.ops.maps.smoothing import smooth
from segpipe.records.clusters import ClusterModel

Float32 = npt.NDArray[np.float32]
_ROWS = 1 << 13  # patches at once


@dataclass(frozen=True, slots=True)
class PlainHead:
    """The numbers of `nn.head.Head`: code(f) = linear(f - mean) + outer(activation(inner(f - mean)))."""

    mean: Float32
    """(in_dim,)"""
    linear: tuple[Float32, Float32]
    """(dim, in_dim) and (dim,)"""
    inner: tuple[Float32, Float32]
    """(in_dim, in_dim) and (in_dim,)"""
    outer: tuple[Float32, Float32]
    """(dim, in_dim) and (dim,)"""
    activation: str
    """relu or silu."""

    def codes(self, features: npt.NDArray[np.floating]) -> Float32:
        """Features (..., in_dim) to codes (..., dim)."""
        flat = np.asarray(features, np.float32).reshape(-1, len(self.mean))
        found = np.empty((len(flat), len(self.linear[1])), np.float32)
        for start in range(0, len(flat), _ROWS):
            found[start : start + _ROWS] = self._rows(flat[start : start + _ROWS])
        return found.reshape(*features.shape[:-1], -1)

    def _rows(self, features: Float32) -> Float32:
        centered = features - self.mean
        codes = centered @ self.linear[0].T + self.linear[1]
        if self.outer[0].any() or self.outer[1].any():
            hidden = centered @ self.inner[0].T + self.inner[1]
            if self.activation == "relu":
                hidden = np.maximum(hidden, 0)
            else:
                with np.errstate(over="ignore"):  # exp of a large number is inf, and x / inf is the 0 that is meant
                    hidden = hidden / (1 + np.exp(-hidden))
            codes = codes + hidden @ self.outer[0].T + self.outer[1]
        return np.asarray(codes, np.float32)


def open_plain_head(folder: Path) -> PlainHead:
    """The head that lies in a folder.

    Raises:
        UsageError: it is missing or damaged.
    """
    path = folder / HEAD
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            meta = dict(files.parse_json(file.metadata()["segpipe"]))
        return _head(tensors, meta)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path} is missing, damaged or no head ({error}); make it with `segpipe train`") from error


def _head(tensors: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]) -> PlainHead:
    def layer(name: str) -> tuple[Float32, Float32]:
        return np.asarray(tensors[f"{name}.weight"], np.float32), np.asarray(tensors[f"{name}.bias"], np.float32)

    activation = str(meta.get("activation", "relu"))
    if activation not in ("relu", "silu"):
        raise ValueError(f"activation is {activation!r}")
    mean = np.asarray(tensors["mean"], np.float32)
    return PlainHead(mean, layer("linear"), layer("nonlinear.0"), layer("nonlinear.2"), activation)


def encode_plain(
    head: PlainHead, model: ClusterModel, patches: npt.NDArray[np.floating], valid: npt.NDArray[np.bool_]
) -> Float32:
    """As `codes.encode`: a crop's features (rows, cols, d) as the clusters see them, (rows, cols, dim)."""
    return smooth(model.project(head.codes(patches)), valid, model.smooth)
