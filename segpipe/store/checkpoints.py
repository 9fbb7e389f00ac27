"""Tensors to safetensors files and back. Never pickle: a weights file must not be able to run code."""

from __future__ import annotations

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

_META = "segpipe"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON values to one file, atomically; equal contents give equal bytes."""
    from safetensors.torch import save

    there = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    files.write_bytes(path, save(there, {_META: json.dumps(dict(meta), sort_keys=True, allow_nan=False)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote, to the CPU.

    Raises:
        UsageError: the file is missing, damaged or was written by another program.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return tensors, dict(files.parse_json(file.metadata()[_META]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise_shortage(path, error)
        raise UsageError(
            f"{path} is missing, damaged or not ours ({error}); make it again with `segpipe train`"
        ) from error
