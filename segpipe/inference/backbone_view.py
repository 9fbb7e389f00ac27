"""One view of any frozen backbone: maps of what it attends or responds to, features of patches, a vector per image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.nn.backbones import Backbone, find_backbone, load_network

if TYPE_CHECKING:
    import torch

    from segpipe.nn import classical

Rgb = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Maps = Mapping[str, Float32]
"""Name to (rows, cols), in the order in which they are shown: `mean`, `head00` and so on, `rollout`; or `activation`.

Attention is in shares of 1 of what CLS attends to, activation in the network's own unit, squared.
"""

MEAN, ROLLOUT, ACTIVATION = "mean", "rollout", "activation"
MAHALANOBIS = "distance of each patch from the image's mean"
"""What `mahalanobis_map` shows, in words."""

_CPU_BATCH, _GPU_BATCH = 4, 32  # images whose features are held at a time
_GPU_LANES = 2  # one computes while the other's images are made and measured


@dataclass(frozen=True, slots=True)
class PatchView:
    """What a backbone gives for one image."""

    map: Float32
    """(rows, cols), none negative: attention of CLS in shares of 1, or activation in the network's unit, squared."""
    patches: Float32
    """(rows, cols, d) features."""
    vector: Float32
    """(d,): of CLS, or the mean of the patches where there is none."""


@dataclass(frozen=True, slots=True)
class BackboneView:
    """A backbone with one block or stage opened."""

    name: str
    kind: Literal["attention", "activation"]
    """What its maps are."""
    where: str
    """Which block or stage, in words."""
    patch: int
    """Input pixels per cell of a map."""
    maps: tuple[str, ...]
    """Names of the maps that it makes."""
    attention_maps: Callable[[Rgb], list[Maps]]
    """(B, H, W, 3) images of one size, whole patches, to all maps of each; activation where there is no attention."""
    patch_views: Callable[[Sequence[Rgb]], list[PatchView]]
    """Images (H, W, 3) of one size, whole patches, to map, features and vector of each, in one forward pass."""
    lanes: int = 1
    """Images to work on side by side, from as many threads."""
    weights: str = "embedded"
    """Where the weights come from."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the maps of single heads."""
        return tuple(name for name in self.maps if name.startswith("head"))


def open_backbone_view(
    name: str, weights: Path | None, runtime: Runtime, *, block: int, rollout: bool = False
) -> BackboneView:
    """Load a backbone. `classical` needs `fit_to_images` before it gives patch views.

    Args:
        name: of `segpipe backbones`, or any timm model's.
        weights: a file to load instead of the hub's.
        runtime: device and workers.
        block: block of a ViT or stage of a CNN; -1 is the last.
        rollout: whether attention rollout is wanted, where there is attention.

    Raises:
        UsageError: an unknown name, a block that does not exist, weights of another network, or a ViT without CLS.
        MachineError: the weights are not at hand.
    """
    row = find_backbone(name)
    if row.kind == "classical":
        if weights is not None:
            raise UsageError(f"{named('extract.backbone', 'classical')} takes no weights; leave out {weights}")
        return _open_classical(row, runtime)
    from segpipe.nn import cnn
    from segpipe.nn.vit import block_indices

    network, source = load_network(row, weights=weights)
    model: Any = network.to(runtime.device)
    depth = len(model.feature_info if row.kind == "cnn" else model.blocks)
    (index,) = block_indices((block,), depth=depth)
    kind: Literal["attention", "activation"] = "activation" if row.kind == "cnn" else "attention"
    if kind == "activation":
        part, patch = "stage", cnn.stage_stride(model, (index,))
        maps, view = partial(_activation_map, model, stage=index), partial(_activation_view, model, stage=index)
    else:
        part, patch = "block", row.patch
        maps, view = (
            partial(_attention_maps, model, block=index, rollout=rollout),
            partial(_attention_view, model, block=index),
        )
    attention_maps = _batched(maps, row, runtime.device)
    features = _batched(view, row, runtime.device, most=_CPU_BATCH if runtime.device == "cpu" else _GPU_BATCH)
    side = max(2 * patch, 32) // patch * patch
    names = tuple(attention_maps(np.zeros((1, side, side, 3), np.uint8))[0])  # a missing CLS shows here
    return BackboneView(
        row.title,
        kind,
        f"{part} {index} of 0 to {depth - 1}",
        patch,
        names,
        attention_maps,
        lambda images: [PatchView(**each) for each in features(images)],
        lanes=runtime.workers if runtime.device == "cpu" else _GPU_LANES,
        weights=source,
    )


def relative_to_uniform(patches: Float32, kind: str) -> Float32:
    """A map (rows, cols) in multiples of what every patch would have if all had the same.

    An attention map times its number of patches: a map of 1 everywhere is CLS attending to nothing in particular, and
    what CLS keeps for itself or gives to registers is missing from the mean. Activation has no unit: its mean
    becomes 1.
    """
    if kind == "attention":
        return patches * np.float32(patches.size)
    return np.asarray(patches / max(float(patches.mean()), float(np.finfo(np.float32).tiny)), np.float32)


# --- networks -------------------------------------------------------------------------------------------------------


def _batched(
    forward: Callable[[torch.Tensor], dict[str, torch.Tensor]], row: Backbone, device: str, *, most: int | None = None
) -> Callable[[Sequence[Rgb] | Rgb], list[Maps]]:
    """From images of one size to the arrays of each, `most` images at a time, fewer where memory is short."""
    import torch

    from segpipe.nn.batching import forward_in_halves, to_input

    @torch.inference_mode()
    def whole(images: Rgb) -> list[Maps]:
        arrays = {name: y.float().cpu().numpy() for name, y in forward(to_input(images, row.norm, device)).items()}
        return [{name: values[i] for name, values in arrays.items()} for i in range(len(images))]

    def run(images: Sequence[Rgb] | Rgb) -> list[Maps]:
        found: list[Maps] = []
        size = most or max(1, len(images))
        for start in range(0, len(images), size):
            batch, remedy = (
                np.stack([*images[start : start + size]]),
                f"lower {named('extract.input_size')}, or give {named('runtime.device', 'cpu')}",
            )
            for part in forward_in_halves(whole, batch, unit="an image", device=device, remedy=remedy):
                found += part
        return found

    return run


def _attention_maps(model: Any, x: torch.Tensor, *, block: int, rollout: bool) -> dict[str, torch.Tensor]:
    from segpipe.nn.attention import cls_attention

    heads, rolled = cls_attention(model, x, block=block, rollout=rollout)
    found = {MEAN: heads.mean(dim=1), **{f"head{i:02}": heads[:, i] for i in range(heads.shape[1])}}
    return found if rolled is None else {**found, ROLLOUT: rolled}


def _attention_view(model: Any, x: torch.Tensor, *, block: int) -> dict[str, torch.Tensor]:
    from segpipe.nn.attention import cls_attention_and_tokens

    attention, patches, cls = cls_attention_and_tokens(model, x, block=block)
    return {"map": attention, "patches": patches, "vector": cls}


def _activation_map(model: Any, x: torch.Tensor, *, stage: int) -> dict[str, torch.Tensor]:
    return {ACTIVATION: _activation_view(model, x, stage=stage)["map"]}


def _activation_view(model: Any, x: torch.Tensor, *, stage: int) -> dict[str, torch.Tensor]:
    """Features of a stage, their mean over the image, and as map the mean over channels of the squared activation.

    The map is the spatial "attention" of Zagoruyko and Komodakis 2017, arXiv 1612.03928, which has no attention in it.
    """
    from segpipe.nn import cnn

    patches = cnn.extract_maps(model, x, stages=(stage,))
    return {"map": patches.square().mean(dim=-1), "patches": patches, "vector": patches.mean(dim=(1, 2))}


# --- classical features ---------------------------------------------------------------------------------------------


def mahalanobis_map(raw: Float32) -> Float32:
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


def fit_to_images(view: BackboneView, images: Iterable[Rgb]) -> BackboneView:
    """The view ready for these images: the classical features are whitened over all of them, networks stay."""
    if view.name != "classical":
        return view
    from segpipe.nn import classical

    raw = thread_map(classical.raw_features, images, workers=view.lanes, ahead=2 * view.lanes)
    whitening = classical.fit_whitening(each.reshape(-1, each.shape[-1]) for each in raw)
    return replace(view, patch_views=lambda batch: [_classical_view(rgb, whitening) for rgb in batch])


def _classical_view(rgb: Rgb, whitening: classical.Whitening) -> PatchView:
    from segpipe.nn import classical

    raw = classical.raw_features(rgb)
    patches = np.asarray((raw - whitening.mean) @ whitening.projection, np.float32)
    return PatchView(mahalanobis_map(raw), patches, patches.mean(axis=(0, 1)))


def _open_classical(row: Backbone, runtime: Runtime) -> BackboneView:
    from segpipe.nn import classical

    def one(image: Rgb) -> Maps:
        return {ACTIVATION: mahalanobis_map(classical.raw_features(image))}

    def maps(images: Rgb) -> list[Maps]:
        return list(thread_map(one, images, workers=runtime.workers, ahead=2 * runtime.workers))

    def views(images: Sequence[Rgb]) -> list[PatchView]:
        raise ValueError("classical features are whitened over all images: call fit_to_images first")

    return BackboneView(
        row.name, "activation", MAHALANOBIS, row.patch, (ACTIVATION,), maps, views, lanes=runtime.workers
    )
