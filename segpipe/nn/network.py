"""A frozen network with its settings: 8-bit crops in, patch features out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from segpipe.base.errors import UsageError, named
from segpipe.nn import cnn, vit
from segpipe.nn.backbones import Backbone
from segpipe.nn.batching import forward_in_halves, to_input
from segpipe.nn.precision import Precision


@dataclass(frozen=True)
class Network:
    """What `extract` asks of a backbone; `open_network` makes it."""

    row: Backbone
    model: Any
    device: torch.device
    facet: vit.Facet
    blocks: tuple[int, ...]
    norm: bool
    precision: Precision
    patch: int
    """Input pixels per cell of the grid."""
    dim: int
    """Length of a feature."""
    has_cls: bool

    def __call__(self, images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        """Features of a batch of crops of one size.

        Args:
            images: (B, patch * rows, patch * cols, 3) RGB.

        Returns:
            Patches (B, rows, cols, dim), and CLS vectors (B, dim) where the network has CLS. Not checked for being
            finite, but what bfloat16 makes infinite is computed again in float32.

        Raises:
            MachineError: a single crop does not fit into the device's memory.
        """
        remedy = f"lower {named('extract.input_size')} or take a smaller {named('extract.backbone')}"
        parts = forward_in_halves(self._forward, images, unit="a crop", device=self.device, remedy=remedy)
        if len(parts) == 1:
            return parts[0]
        vectors = [cls for _, cls in parts if cls is not None]
        return np.concatenate([patches for patches, _ in parts]), np.concatenate(vectors) if vectors else None

    @torch.inference_mode()
    def _forward(self, images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        x = to_input(images, self.row.norm, self.device)
        patches, cls = self._features(x, half=self.precision == "bfloat16")
        if self.precision == "bfloat16" and not bool(torch.isfinite(patches).all()):
            patches, cls = self._features(x, half=False)
        return patches.cpu().numpy(), None if cls is None else cls.cpu().numpy()

    def _features(self, x: torch.Tensor, *, half: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            if self.row.kind == "cnn":
                patches, cls = cnn.extract_maps(self.model, x, stages=self.blocks), None
            else:
                patches, cls = vit.extract_facets(self.model, x, facet=self.facet, blocks=self.blocks, norm=self.norm)
        return patches.float(), None if cls is None else cls.float()


def open_network(
    row: Backbone,
    model: torch.nn.Module,
    *,
    device: str,
    facet: vit.Facet,
    blocks: tuple[int, ...],
    norm: bool,
    precision: Precision,
) -> Network:
    """Put a loaded network on its device and check the settings by a tiny forward pass.

    Raises:
        UsageError: a facet or block that this network does not have.
    """
    if row.kind == "cnn" and facet != "token":
        raise UsageError(
            f"{named('extract.facet', facet)}: {named('extract.backbone', row.name)} has no attention, so no "
            f"{facet} vectors; "
            f"set {named('extract.facet', 'token')} or choose a ViT"
        )
    patch = cnn.stage_stride(model, blocks) if row.kind == "cnn" else row.patch
    network = Network(row, model.to(device), torch.device(device), facet, blocks, norm, precision, patch, 0, False)
    channels = next(each.in_channels for each in model.modules() if isinstance(each, torch.nn.Conv2d))
    rows = max(64, 2 * patch) // patch
    patches, cls = network(np.zeros((1, rows * patch, rows * patch, channels), np.uint8))
    if patches.shape[1:3] != (rows, rows):
        raise UsageError(
            f"{named('extract.backbone', row.name)} gives {patches.shape[1]} x {patches.shape[2]} cells where "
            "its stride of "
            f"{patch} pixels promises {rows} x {rows}; choose another backbone"
        )
    return replace(network, dim=patches.shape[-1], has_cls=cls is not None)
