"""A frozen backbone opened to see where it looks: attention of a ViT, activation of any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.nn.backbones import Backbone, find_backbone, load_network

if TYPE_CHECKING:
    import torch

Bytes = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Maps = Mapping[str, Float32]
"""Name to (rows, cols), in the order in which they are shown: `mean`, `head00` and so on, `rollout`; or `activation`.

Attention is in shares of 1 of what CLS attends to, activation in the network's own unit, squared.
"""

MEAN, ROLLOUT, ACTIVATION = "mean", "rollout", "activation"


@dataclass(frozen=True, slots=True)
class Looker:
    """A backbone ready to look at images."""

    backbone: str
    kind: Literal["attention", "activation"]
    where: str
    """Which block or stage, in words."""
    patch: int
    """Input pixels per cell of a map."""
    maps: tuple[str, ...]
    """Names of the maps that it makes."""
    look: Callable[[Bytes], list[Maps]]
    """(B, H, W, 3) images of one size, whole patches, to the maps of each."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the maps of single heads."""
        return tuple(name for name in self.maps if name.startswith("head"))


def open_looker(name: str, weights: Path | None, runtime: Runtime, *, block: int, rollout: bool) -> Looker:
    """Load a backbone.

    Args:
        name: of `segpipe backbones`, or any timm model's.
        weights: a file to load instead of the hub's.
        runtime: device and workers.
        block: block of a ViT or stage of a CNN whose maps are wanted; -1 is the last.
        rollout: whether attention rollout is wanted, where there is attention.

    Raises:
        UsageError: an unknown name, a block that does not exist, weights of another network, or a ViT without CLS.
        MachineError: the weights are not at hand.
    """
    row = find_backbone(name)
    if row.kind == "classical":
        if weights is not None:
            raise UsageError(f"--backbone classical takes no weights; leave out {weights}")
        return _classical(runtime)
    from segpipe.nn.vit import block_indices

    model: Any = load_network(row, weights=weights)[0].to(runtime.device)
    if row.kind == "cnn":
        from segpipe.nn import cnn

        (index,) = block_indices((block,), depth=len(model.feature_info))
        forward = partial(_activation, model, stage=index)
        stage = f"stage {index} of 0 to {len(model.feature_info) - 1}"
        stride = cnn.stage_stride(model, (index,))
        return Looker(name, "activation", stage, stride, (ACTIVATION,), _batched(forward, row, runtime.device))
    (index,) = block_indices((block,), depth=len(model.blocks))
    forward = partial(_attention, model, block=index, rollout=rollout)
    look = _batched(forward, row, runtime.device)
    side = max(2 * row.patch, 32) // row.patch * row.patch
    names = tuple(look(np.zeros((1, side, side, 3), np.uint8))[0])  # a wrong block or a missing CLS shows here
    return Looker(name, "attention", f"block {index} of 0 to {len(model.blocks) - 1}", row.patch, names, look)


def relative(patches: Float32, kind: str) -> Float32:
    """A map in multiples of what every patch would have if all had the same.

    An attention map times its number of patches: a map of 1 everywhere is CLS looking nowhere in particular, and what
    CLS keeps for itself or gives to registers is missing from the mean. Activation has no unit: its mean becomes 1.
    """
    if kind == "attention":
        return patches * np.float32(patches.size)
    return np.asarray(patches / max(float(patches.mean()), float(np.finfo(np.float32).tiny)), np.float32)


def _attention(model: Any, x: torch.Tensor, *, block: int, rollout: bool) -> dict[str, torch.Tensor]:
    from segpipe.nn.attention import look

    heads, rolled = look(model, x, block=block, rollout=rollout)
    found = {MEAN: heads.mean(dim=1), **{f"head{i:02}": heads[:, i] for i in range(heads.shape[1])}}
    return found if rolled is None else {**found, ROLLOUT: rolled}


def _activation(model: Any, x: torch.Tensor, *, stage: int) -> dict[str, torch.Tensor]:
    """Mean over the channels of the squared activation.

    The spatial "attention" map of Zagoruyko and Komodakis 2017, arXiv 1612.03928, which has no attention in it.
    """
    from segpipe.nn import cnn

    return {ACTIVATION: cnn.extract_maps(model, x, stages=(stage,)).square().mean(dim=-1)}


def _batched(
    forward: Callable[[torch.Tensor], dict[str, torch.Tensor]], row: Backbone, device: str
) -> Callable[[Bytes], list[Maps]]:
    import torch

    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in row.norm)

    @torch.inference_mode()
    def whole(images: Bytes) -> list[Maps]:
        x = (torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255 - mean) / std
        found = {name: maps.float().cpu().numpy() for name, maps in forward(x).items()}
        return [{name: maps[i] for name, maps in found.items()} for i in range(len(images))]

    def look(images: Bytes) -> list[Maps]:
        try:
            return whole(images)
        except torch.OutOfMemoryError as error:
            if len(images) == 1:
                raise MachineError(
                    f"an image of {images.shape[1]} x {images.shape[2]} pixels does not fit into the memory of "
                    f"{device}; lower --size"
                ) from error
        half = len(images) // 2  # outside the except block, so that the failed attempt's tensors are freed
        return look(images[:half]) + look(images[half:])

    return look


def stand_out(raw: Float32) -> Float32:
    """How far each patch lies from the mean of its image's patches: what the classical features show for attention.

    Features are whitened over the patches of the one image, so that their squares add up to a Mahalanobis distance
    (Reed and Yu 1990 find anomalies by it), and a map depends on nothing but its image.

    Args:
        raw: (rows, cols, RAW_DIM) of `classical.raw_features`.

    Returns:
        (rows, cols), mean over the whitened features of their square.
    """
    from segpipe.nn import classical

    whitening = classical.fit_whitening([raw.reshape(-1, raw.shape[-1])])
    features = (raw - whitening.mean) @ whitening.projection
    return np.asarray(np.square(features).mean(axis=-1), np.float32)


STAND_OUT = "distance of each patch from the image's mean"
"""What `stand_out` shows, in words."""


def _classical(runtime: Runtime) -> Looker:
    """The classical features have no attention either."""
    from segpipe.nn import classical

    def one(image: Bytes) -> Maps:
        return {ACTIVATION: stand_out(classical.raw_features(image))}

    def look(images: Bytes) -> list[Maps]:
        return list(thread_map(one, images, workers=runtime.workers, ahead=2 * runtime.workers))

    return Looker("classical", "activation", STAND_OUT, classical.PATCH, (ACTIVATION,), look)
