"""The network that looks at frames: from pictures to what a block of it makes of their patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.base.geometry import Size
from segpipe.base.runtime import Runtime
from segpipe.nn.backbones import find_backbone, load_network
from segpipe.ops.tracking.appearance import PatchFacets

if TYPE_CHECKING:
    import torch

Rgb = npt.NDArray[np.uint8]

_LONGEST = 4  # times the short side: what is longer is made smaller, so that memory is bounded
_CPU_BATCH, _GPU_BATCH = 2, 16  # frames of a forward pass


@dataclass(frozen=True, slots=True)
class Lookout:
    """A network with one block opened."""

    patch: int
    weights: str
    """Where they come from."""
    batch: int
    """Frames to hand over at a time."""
    look: Callable[[Sequence[Rgb]], list[PatchFacets]]
    """Pictures (H, W, 3) of one size, whole patches, to what the block makes of each."""


def network_size(size: Size, *, side: int, patch: int) -> Size:
    """The size at which the network sees a frame: its short side near `side`, both multiples of the patch.

    >>> network_size(Size(480, 854), side=480, patch=16)
    Size(height=480, width=848)
    """
    short, long = sorted((size.height, size.width))
    scale = min(side / short, _LONGEST * side / long)
    height, width = (max(1, round(length * scale / patch)) * patch for length in (size.height, size.width))
    return Size(height, width)


def scaled(rgb: Rgb, size: Size) -> Rgb:
    """A picture (H, W, 3) at another size."""
    if rgb.shape[:2] == (size.height, size.width):
        return rgb
    how = cv2.INTER_AREA if size.height * size.width < rgb.shape[0] * rgb.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (size.width, size.height), interpolation=how), np.uint8)


def open_lookout(name: str, weights: Path | None, runtime: Runtime, *, block: int) -> Lookout:
    """Load a ViT.

    Raises:
        UsageError: an unknown name, no ViT, a block that does not exist, weights of another network, or no CLS token.
        MachineError: the weights are not at hand.
    """
    row = find_backbone(name)
    if row.kind != "vit":
        raise UsageError(
            f"{named('extract.backbone', name)} has no attention heads that could show objects; choose a ViT, such as "
            f"{named('extract.backbone', 'dino_vits16')}"
        )
    from segpipe.nn.batching import forward_in_halves, to_input
    from segpipe.nn.block_parts import block_parts
    from segpipe.nn.vit import block_indices

    network, source = load_network(row, weights=weights)
    model: Any = network.to(runtime.device)
    block_indices((block,), depth=len(model.blocks))
    device = runtime.device
    remedy = f"lower {named('extract.input_size')}, or give {named('runtime.device', 'cpu')}"

    def forward(images: Rgb) -> list[PatchFacets]:
        import torch

        with torch.inference_mode():
            parts = block_parts(model, to_input(images, row.norm, device), block=block)
            attention = _arrays(parts.attention.flatten(2))
            rest = [_arrays(part.flatten(1, 2)) for part in (parts.queries, parts.keys, parts.tokens)]
        return [PatchFacets(attention[i], *(part[i] for part in rest)) for i in range(len(images))]

    def look(pictures: Sequence[Rgb]) -> list[PatchFacets]:
        found = forward_in_halves(forward, np.stack(pictures), unit="a frame", device=device, remedy=remedy)
        return [facets for part in found for facets in part]

    look([np.zeros((2 * row.patch, 2 * row.patch, 3), np.uint8)])  # a missing CLS shows here, before anything is begun
    return Lookout(row.patch, source, _CPU_BATCH if device == "cpu" else _GPU_BATCH, look)


def _arrays(values: torch.Tensor) -> npt.NDArray[np.float32]:
    return np.asarray(values.float().cpu().numpy(), np.float32)
