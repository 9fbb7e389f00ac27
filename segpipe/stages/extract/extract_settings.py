"""Settings of `extract`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from segpipe.base.config import AbsolutePath, Section, setting
from segpipe.nn.backbones import backbone_name, positions_of
from segpipe.records.codec import CodecName


def _view_items(items: tuple[str, ...]) -> tuple[str, ...]:
    if not items or not all(items) or ("all" in items and len(items) > 1):
        raise ValueError("must be auto, pca, groups of channels such as B08+B04+B03, or all alone")
    return items


Views = Annotated[tuple[str, ...], AfterValidator(_view_items)]


class Config(Section):
    """Settings of `extract`."""

    backbone: Annotated[str, AfterValidator(backbone_name)] = setting(
        "dino_vits16", "name from `segpipe backbones`, any timm model name, or a folder of `segpipe pretrain`"
    )
    weights: AbsolutePath | None = setting(None, "weights file to use instead of the hub's (.safetensors, .pth)")
    input_size: int = setting(
        448,
        "side in pixels of a square crop as the network sees it; other shapes get about its area",
        ge=16,
        le=16_384,
        was=("size",),
    )
    facet: Literal["token", "key", "query", "value"] = setting("token", "which vectors of a ViT's blocks are stored")
    blocks: tuple[int, ...] = setting((-1,), "blocks of a ViT or stages of a CNN, joined in this order; -1 is the last")
    norm: bool = setting(True, "pass tokens through the network's final norm")
    pool: Literal["mean", "cls"] = setting("mean", "a crop's one vector: mean of its patches, or the CLS token's")
    flip: bool = setting(False, "store features of the mirrored crops too (for refine.flip)")
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "number type the network computes in; auto: bfloat16 where the device has it and features stay the same"
    )
    codec: CodecName = setting(
        "float16", "how features are stored: float16, int8 (half the disk), pca8 (principal components, an eighth)"
    )
    positions: Literal["auto", "dino", "timm"] = setting(
        "auto",
        "how a ViT's learned positions are interpolated to the input: dino (scale + 0.1, not antialiased), timm; auto: "
        "dino for dino_* and for dinov2_* without registers",
        before="timm",
    )
    views: Views = setting(
        ("auto",),
        "what a network sees of images of more than three channels, each view three of them and their features joined: "
        "auto, pca (principal components), groups such as B08+B04+B03, or all (weights with as many inputs)",
    )
    batch: int = setting(32, "crops a GPU sees at once; a CPU at most 4 in each of its workers", ge=1, result=False)

    def identity(self) -> dict[str, Any]:
        """As of `Section`, with the rule of positions that is used; without it where it is the only one there was."""
        rule = positions_of(self.backbone, self.positions)
        values = super().identity() | {"positions": rule}
        if rule == "timm":
            del values["positions"]
        if values["views"] == ["auto"]:
            del values["views"]
        return values
