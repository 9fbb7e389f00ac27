"""Weights files: timm's own naming and the published DINO formats, matched key for key.

Understood, alone or combined:
    endings      .safetensors, .pth, .pt, .bin (the last three are read as tensors only; code in them is refused)
    wrappers     `teacher`, `student`, `state_dict`, `model` (the teacher first: it is what DINO evaluates)
    prefixes     `module.`, `backbone.`, `encoder.`
    namings      timm; DINO ViT and ResNet-50 (torchvision's names); DINOv2 (`register_tokens`, positions with CLS);
                 DINOv3 (`storage_tokens`): the last two through timm's own `checkpoint_filter_fn`
    dropped      heads (`head.*`, `fc.*`, `dino_head.*` ...)
"""

from __future__ import annotations

import argparse
import importlib
import pickle
import re
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from segpipe.base.errors import UsageError, named
from segpipe.base.shortage import raise_shortage
from segpipe.base.shown import quoted

Tensors = dict[str, torch.Tensor]

_WRAPPERS = ("teacher", "student", "state_dict", "model")
_PREFIXES = ("module.", "backbone.", "encoder.")
_HEAD = re.compile(r"^(fc|classifier|\w*head(s|_dist)?|pre_logits|projectors?|last_layer|mask_token$)\b")


def read_tensors(path: Path) -> Tensors:
    """The tensors of a weights file, out of their wrappers, half precision cast to float32.

    Raises:
        UsageError: no such file, not a weights file, or a pickle that holds more than tensors.
    """
    if not path.is_file():
        raise UsageError(
            f"{path}: there is no such weights file; set {named('extract.weights')} to a .safetensors or .pth file"
        )
    if path.suffix == ".safetensors":
        try:
            tree: Any = safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise_shortage(path, error)
            raise UsageError(f"{path} is damaged or not a safetensors file ({error}); download it again") from error
    else:
        tree = _read_pickle(path)
    tensors = {str(k): v for k, v in _unwrap(tree).items() if isinstance(v, torch.Tensor)}
    if not tensors:
        raise UsageError(f"{path} holds no tensors under its top or {', '.join(_WRAPPERS)}; is it a weights file?")
    odd = next((k for k, v in tensors.items() if not _is_plain(v)), None)
    if odd is not None:
        raise UsageError(
            f"{path}: {quoted(odd)} is no plain array of numbers (quantized, sparse, complex or without values); "
            "save the weights as ordinary tensors"
        )
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def _is_plain(tensor: torch.Tensor) -> bool:
    return (
        tensor.layout == torch.strided
        and not tensor.is_quantized
        and not tensor.is_complex()
        and tensor.device.type == "cpu"
    )


def _read_pickle(path: Path) -> Any:
    try:
        # DINO's full checkpoints hold their command line as a Namespace, a plain bag of values
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle's version
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path} holds more than tensors (or is damaged) and loading it could run foreign code, so it is "
            "refused; convert it to .safetensors where you trust it"
        ) from error
    except Exception as error:  # torch meets damaged files with any exception there is
        raise_shortage(path, error)
        raise UsageError(f"{path} is damaged or not a PyTorch weights file; download it again") from error


def _unwrap(tree: Any) -> Mapping[Any, Any]:
    while isinstance(tree, Mapping):
        inner = next((tree[name] for name in _WRAPPERS if isinstance(tree.get(name), Mapping)), None)
        if inner is None:
            return tree
        tree = inner
    return {}


def fit(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> str:
    """Load tensors into a timm model; every one of the model's must be there, and no other.

    Positions of another input size are interpolated to the model's (timm's bicubic resampling).

    Returns:
        Empty if it fits and was loaded, else what does not fit.
    """
    own = model.state_dict()
    plain = _drop_prefixes(tensors, own)
    stem = "patch_embed.proj.weight"
    # timm would resample another patch size without a word
    if stem in plain and stem in own and plain[stem].ndim == 4 and plain[stem].shape != own[stem].shape:
        return f"{stem} is {_dims(plain[stem])} in the file, {_dims(own[stem])} in the network"
    plain, problem = _drop_zero_biases(plain, own)
    if problem:
        return problem
    rename = getattr(importlib.import_module(type(model).__module__), "checkpoint_filter_fn", None)
    if rename is not None:
        try:
            plain = rename(dict(plain), model)
        except Exception as error:  # a stranger's file can break timm's renaming anywhere
            return f"its tensors are named in an unknown way ({type(error).__name__}: {error})"
    plain = {k: v for k, v in plain.items() if k in own or not _HEAD.match(k)}
    missing = [k for k in own if k not in plain and not k.endswith("num_batches_tracked")]  # counters, unused here
    unexpected = [k for k in plain if k not in own]
    if missing or unexpected:
        parts = [f"{word} {_some(keys)}" for word, keys in (("missing", missing), ("unexpected", unexpected)) if keys]
        return ", ".join(parts)
    for key, tensor in plain.items():
        if tensor.shape != own[key].shape:
            return f"{key} is {_dims(tensor)} in the file, {_dims(own[key])} in the network"
    model.load_state_dict(plain, strict=False)  # all but the counters is known to match
    return ""


def _drop_prefixes(tensors: Mapping[str, torch.Tensor], own: Collection[str]) -> Tensors:
    plain = dict(tensors)
    while True:
        prefix = next(
            (p for p in _PREFIXES if any(k.startswith(p) for k in plain) and not any(k.startswith(p) for k in own)),
            None,
        )
        if prefix is None:
            return plain
        plain = {k.removeprefix(prefix): v for k, v in plain.items()}


def _drop_zero_biases(tensors: Tensors, own: Collection[str]) -> tuple[Tensors, str]:
    """Take out DINOv3's q, k and v biases where timm's model has none, provided they are zero as published."""
    if "storage_tokens" not in tensors or any(k.endswith("q_bias") for k in own):
        return tensors, ""
    biases = [k for k in tensors if k.endswith("attn.qkv.bias")]
    for key in biases:
        query, _, value = tensors[key].chunk(3)  # the key's bias is masked in DINOv3, whatever it holds
        if query.any() or value.any():
            return tensors, f"{key} is not zero; take timm's model of the same name with `_qkvb` for this file"
    return {k: v for k, v in tensors.items() if k not in biases}, ""


def shape_of(tensors: Mapping[str, torch.Tensor]) -> tuple[int, int, int, bool] | None:
    """Width, patch, blocks and whether there are registers of a ViT's tensors; None if it is no ViT."""
    stems = [v for k, v in tensors.items() if k.endswith("patch_embed.proj.weight") and v.ndim == 4]
    blocks = {m.group(1) for k in tensors if (m := re.search(r"(?:^|\.)blocks\.(\d+)\.", k))}
    if not stems or not blocks:
        return None
    registers = any(re.search(r"(register_tokens|reg_token|storage_tokens)$", k) for k in tensors)
    return stems[0].shape[0], stems[0].shape[-1], len(blocks), registers


def _some(keys: list[str]) -> str:
    rest = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + rest


def _dims(tensor: torch.Tensor) -> str:
    return " x ".join(str(n) for n in tensor.shape)
