"""Patch features of the frames of a film, one frame at a time, from any backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Runtime
from segpipe.nn.backbones import Backbone, find_backbone, load_network

Rgb = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """A backbone ready to describe frames."""

    describe: Callable[[Rgb], Float32]
    """(H, W, 3), whole patches, to (rows, cols, dim): of a ViT the last block's tokens after the final norm."""
    name: str
    patch: int
    """Input pixels a side of a patch."""
    weights: str
    """Where the weights come from, with what identifies them."""
    device: str


def open_frame_features(
    name: str, weights: Path | None, runtime: Runtime, *, block: int, samples: Callable[[], Iterable[Rgb]]
) -> FrameFeatures:
    """Load a backbone.

    Args:
        name: of `segpipe backbones`, or any timm model's.
        weights: a file to load instead of the hub's.
        runtime: device.
        block: block of a ViT or stage of a CNN; -1 is the last.
        samples: gives frames of whole patches, over which the classical features are whitened.

    Raises:
        UsageError: an unknown name, a block that does not exist, or weights of another network.
        MachineError: the weights are not at hand.
    """
    row = find_backbone(name)
    if row.kind == "classical":
        if weights is not None:
            raise UsageError(f"{named('extract.backbone', 'classical')} takes no weights; leave out {weights}")
        return _classical(row, samples())
    from segpipe.nn.network import open_network

    model, source = load_network(row, weights=weights)
    network = open_network(
        row, model, device=runtime.device, facet="token", blocks=(block,), norm=True, precision="float32"
    )
    if weights is not None:
        source = f"{source} sha256:{files.sha256(weights)[:16]}"
    return FrameFeatures(lambda rgb: network(rgb[None])[0][0], row.name, network.patch, source, str(network.device))


def _classical(row: Backbone, samples: Iterable[Rgb]) -> FrameFeatures:
    from segpipe.nn import classical

    whitening = classical.fit_whitening(raw.reshape(-1, raw.shape[-1]) for raw in map(classical.raw_features, samples))
    return FrameFeatures(lambda rgb: classical.describe(rgb, whitening), row.name, row.patch, "embedded", "cpu")
