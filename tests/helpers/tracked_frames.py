"""Frames of patches whose objects are known, as a block of a ViT would describe them."""

from __future__ import annotations

import numpy as np

from segpipe.ops.tracking.appearance import PatchFacets

PATCHES, WIDTH = 40, 24


def frame(places: dict[int, list[int]], *, seed: int = 0, attended: dict[int, list[int]] | None = None) -> PatchFacets:
    """Patches of objects by number, all others ground; head i attends to object i, of `attended` where given."""
    rng = np.random.default_rng(99)
    kinds = rng.standard_normal((10, WIDTH))
    noise = np.random.default_rng(seed)
    tokens = kinds[9] + 0.2 * noise.standard_normal((PATCHES, WIDTH))
    for number, own in places.items():
        tokens[own] = kinds[number] + 0.2 * noise.standard_normal((len(own), WIDTH))
    heads = attended or places
    attention = np.full((len(heads), PATCHES), 0.002)
    for row, own in zip(attention, heads.values(), strict=True):
        row[own] = 0.9 / len(own)
    keys = 3 * tokens
    return PatchFacets(*(part.astype(np.float32) for part in (attention, tokens, keys, tokens)))


TWO = {0: list(range(3, 9)), 1: list(range(20, 28))}
