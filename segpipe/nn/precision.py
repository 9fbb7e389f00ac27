"""Precision: the number type a network computes in where the user leaves it to the machine."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]
Wanted = Literal["auto", "float32", "bfloat16"]


def pick_precision(wanted: Wanted, device: str) -> Precision:
    """Resolve `auto`: bfloat16 where the device multiplies in it, float32 elsewhere.

    By what the device has and not by a stopwatch: a run started twice must choose the same.

    Args:
        wanted: anything but `auto` is taken.
        device: as torch names it.
    """
    if wanted != "auto":
        return wanted
    return "bfloat16" if _multiplies_bfloat16(torch.device(device).type) else "float32"


def _multiplies_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":  # elsewhere oneDNN imitates it with float32, at a loss
        found = torch.cpu.get_capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return False
