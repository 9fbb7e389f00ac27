"""Tensors to safetensors files and back. Never pickle: a weights file must not be able to run code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage

if TYPE_CHECKING:
    from torch import Tensor

_META, _SEAL = "segpipe", "sha256"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], *, sealed: bool = False) -> None:
    """Write tensors and JSON values to one file, atomically; equal contents give equal bytes.

    Args:
        path: the file.
        tensors: by name.
        meta: JSON values by name.
        sealed: write a checksum into it too, for a file that no list of checksums names.
    """
    from safetensors.torch import save

    there = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = dict(meta) | ({_SEAL: _seal(there, meta)} if sealed else {})
    files.write_bytes(path, save(there, {_META: json.dumps(said, sort_keys=True, allow_nan=False)}))


def load_tensors(path: Path, *, sealed: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote, to the CPU; `sealed` must be what it was given.

    Raises:
        UsageError: the file is missing, damaged or was written by another program.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            meta = dict(files.parse_json(file.metadata()[_META]))
        if sealed and meta.pop(_SEAL) != _seal(tensors, meta):
            raise ValueError("its bytes changed on disk")
        return tensors, meta
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise_shortage(path, error)
        raise UsageError(
            f"{path} is missing, damaged or not ours ({error}); make it again with `segpipe train`"
        ) from error


def _seal(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    whole = hashlib.sha256(json.dumps(dict(meta), sort_keys=True).encode())
    for name in sorted(tensors):
        whole.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)} ".encode())
        whole.update(tensors[name].numpy().tobytes())
    return whole.hexdigest()
