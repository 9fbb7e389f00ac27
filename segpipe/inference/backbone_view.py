"""A frozen backbone opened to be probed: of each picture a map, features of its patches and one vector, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.inference.backbone_maps import STAND_OUT, stand_out
from segpipe.nn.backbones import find_backbone, load_network

if TYPE_CHECKING:
    import torch

    from segpipe.nn import classical

Rgb = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

_CPU_BATCH, _GPU_BATCH = 4, 32
_GPU_LANES = 2  # one computes while the other's pictures are made and measured


@dataclass(frozen=True, slots=True)
class Sight:
    """What a backbone sees in one picture."""

    map: Float32
    """(rows, cols), none negative: attention of CLS in shares of 1, or activation in the network's unit, squared."""
    patches: Float32
    """(rows, cols, d) features."""
    vector: Float32
    """(d,): of CLS, or the mean of the patches where there is none."""


@dataclass(frozen=True, slots=True)
class Seer:
    """A backbone ready to see pictures."""

    backbone: str
    kind: Literal["attention", "activation"]
    """What its maps are."""
    where: str
    """Which block or stage, in words."""
    patch: int
    """Pixels per cell of a map."""
    see: Callable[[Sequence[Rgb]], list[Sight]]
    """Pictures (H, W, 3) of one size, whole patches, to what is seen in each."""
    lanes: int = 1
    """Pictures to work on side by side, from as many threads."""
    weights: str = "embedded"
    """Where the weights come from."""


def open_seer(name: str, weights: Path | None, runtime: Runtime, *, block: int) -> Seer:
    """Load a backbone; `fit` comes before it sees anything.

    Args:
        name: of `segpipe backbones`, or any timm model's.
        weights: a file to load instead of the hub's.
        runtime: device and workers.
        block: block of a ViT or stage of a CNN; -1 is the last.

    Raises:
        UsageError: an unknown name, a block that does not exist, weights of another network, or a ViT without CLS.
        MachineError: the weights are not at hand.
    """
    row = find_backbone(name)
    if row.kind == "classical":
        if weights is not None:
            raise UsageError(f"--backbone classical takes no weights; leave out {weights}")
        return Seer(name, "activation", STAND_OUT, row.patch, lambda pictures: [], lanes=runtime.workers)
    from segpipe.nn.vit import block_indices

    network, source = load_network(row, weights=weights)
    model: Any = network.to(runtime.device)
    depth = len(model.feature_info if row.kind == "cnn" else model.blocks)
    (index,) = block_indices((block,), depth=depth)
    patch, forward = row.patch, partial(_attention, model, block=index)
    if row.kind == "cnn":
        from segpipe.nn import cnn

        patch, forward = cnn.stage_stride(model, (index,)), partial(_activation, model, stage=index)
    see = _batched(forward, row.norm, runtime.device)
    see([np.zeros((max(2 * patch, 32) // patch * patch,) * 2 + (3,), np.uint8)])  # a missing CLS shows here
    kind, part = ("activation", "stage") if row.kind == "cnn" else ("attention", "block")
    lanes = runtime.workers if runtime.device == "cpu" else _GPU_LANES
    return Seer(name, kind, f"{part} {index} of 0 to {depth - 1}", patch, see, lanes, source)  # type: ignore[arg-type]


def fit(seer: Seer, pictures: Iterable[Rgb]) -> Seer:
    """The backbone ready for these pictures: the classical features are whitened over all of them, others stay."""
    if seer.backbone != "classical":
        return seer
    from segpipe.nn import classical

    raw = thread_map(classical.raw_features, pictures, workers=seer.lanes, ahead=2 * seer.lanes)
    whitening = classical.fit_whitening(each.reshape(-1, each.shape[-1]) for each in raw)
    return replace(seer, see=lambda rgb: [_classical(each, whitening) for each in rgb])


def _classical(rgb: Rgb, whitening: classical.Whitening) -> Sight:
    from segpipe.nn import classical

    raw = classical.raw_features(rgb)
    patches = np.asarray((raw - whitening.mean) @ whitening.projection, np.float32)
    return Sight(stand_out(raw), patches, patches.mean(axis=(0, 1)))


def _attention(model: Any, x: torch.Tensor, *, block: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    from segpipe.nn.attention import look_and_describe

    return look_and_describe(model, x, block=block)


def _activation(model: Any, x: torch.Tensor, *, stage: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of a stage, the mean of their squares (as `looking` shows it), and their mean over the picture."""
    from segpipe.nn import cnn

    patches = cnn.extract_maps(model, x, stages=(stage,))
    return patches.square().mean(dim=-1), patches, patches.mean(dim=(1, 2))


def _batched(
    forward: Callable[[torch.Tensor], tuple[torch.Tensor, ...]], norm: tuple[Any, Any], device: str
) -> Callable[[Sequence[Rgb]], list[Sight]]:
    import torch

    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in norm)
    most = _CPU_BATCH if device == "cpu" else _GPU_BATCH

    @torch.inference_mode()
    def batch(images: Sequence[Rgb]) -> list[Sight]:
        x = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float() / 255
        return [
            Sight(*parts) for parts in zip(*(y.float().cpu().numpy() for y in forward((x - mean) / std)), strict=True)
        ]

    def see(images: Sequence[Rgb]) -> list[Sight]:
        try:
            return [sight for start in range(0, len(images), most) for sight in batch(images[start : start + most])]
        except torch.OutOfMemoryError as error:
            raise MachineError(
                f"{len(images)} pictures of {images[0].shape[1]} x {images[0].shape[0]} pixels do not fit into the "
                f"memory of {device}; lower --size, or give --device cpu"
            ) from error

    return see
