"""Backbones: the table of frozen networks, and how each gets its weights.

Any other timm model works by its timm name; its row is made from timm's own records. This module imports neither
torch nor timm until a network is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from segpipe.base import files
from segpipe.base.errors import MachineError, UsageError, named
from segpipe.nn import hub, pretrained
from segpipe.records.features import Positions

if TYPE_CHECKING:
    import torch

Kind = Literal["vit", "cnn", "classical"]
RGB = tuple[float, float, float]

IMAGENET: tuple[RGB, RGB] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SATELLITE: tuple[RGB, RGB] = ((0.430, 0.411, 0.296), (0.213, 0.156, 0.143))


@dataclass(frozen=True, slots=True)
class Backbone:
    """One row of the table. Inputs are RGB from 0 to 1, then (x - mean) / std."""

    name: str
    timm: str
    """timm's model name; empty for `classical`."""
    kind: Kind
    patch: int
    """Input pixels per feature cell side: a ViT's patch, the stride of a CNN's last stage."""
    width: int
    """Length of one feature of one block."""
    depth: int
    """Blocks of a ViT, feature stages of a CNN."""
    heads: int
    prefix: int
    """Tokens before the patch tokens: CLS and registers."""
    norm: tuple[RGB, RGB]
    """Mean and standard deviation."""
    licence: str
    """Licence of the published weights."""
    repo: str = ""
    """Where on the Hugging Face hub timm keeps the weights; empty: not there."""
    published: str = ""
    """Name of the authors' own file, for `extract.weights`."""
    positions: Positions = "timm"
    """How its authors interpolate learned positions to another grid (`nn.positions`)."""
    file: Path | None = None
    """Weights that `segpipe pretrain` made; None: published ones."""
    base: str = ""
    """With `file`: the name of that network among the table's rows or timm's models."""

    @property
    def title(self) -> str:
        """A name that can be one of a file: of a pretrained one its folder's, and a mark by which two differ."""
        if self.file is None:
            return self.name
        return f"{self.file.resolve().parent.name}-{files.digest(files.absolute(self.file))[:6]}"


_APACHE = "Apache-2.0"
_DINOV3 = "DINOv3 License"


def _dino(name: str, timm: str, patch: int, width: int, heads: int, file: str) -> Backbone:
    """Caron et al. 2021, arXiv 2104.14294; weights of github.com/facebookresearch/dino."""
    file = f"{file}_pretrain.pth"
    return Backbone(name, timm, "vit", patch, width, 12, heads, 1, IMAGENET, _APACHE, f"timm/{timm}", file, "dino")


def _dinov2(name: str, timm: str, width: int, depth: int, heads: int, prefix: int) -> Backbone:
    """Oquab et al. 2023, arXiv 2304.07193; with registers: Darcet et al. 2023, arXiv 2309.16588."""
    file = f"{name.replace('_reg', '_reg4')}_pretrain.pth"
    rule: Positions = "dino" if prefix == 1 else "timm"  # those with registers were published with timm's
    return Backbone(name, timm, "vit", 14, width, depth, heads, prefix, IMAGENET, _APACHE, f"timm/{timm}", file, rule)


def _dinov3(name: str, timm: str, width: int, depth: int, heads: int, norm: tuple[RGB, RGB] = IMAGENET) -> Backbone:
    """Siméoni et al. 2025, arXiv 2508.10104; positions are rotary, four registers."""
    return Backbone(name, timm, "vit", 16, width, depth, heads, 5, norm, _DINOV3, f"timm/{timm}")


# fmt: off
BACKBONES: tuple[Backbone, ...] = (
    Backbone("classical", "", "classical", 16, 64, 1, 0, 0, ((0, 0, 0), (1, 1, 1)), "Apache-2.0, part of segpipe"),
    #      name                 timm name                             patch width heads
    _dino("dino_vits16",       "vit_small_patch16_224.dino",            16,  384,  6, "dino_deitsmall16"),
    _dino("dino_vits8",        "vit_small_patch8_224.dino",              8,  384,  6, "dino_deitsmall8"),
    _dino("dino_vitb16",       "vit_base_patch16_224.dino",             16,  768, 12, "dino_vitbase16"),
    _dino("dino_vitb8",        "vit_base_patch8_224.dino",               8,  768, 12, "dino_vitbase8"),
    Backbone("dino_resnet50",  "resnet50", "cnn", 32, 2048, 5, 0, 0, IMAGENET, _APACHE,
             published="dino_resnet50_pretrain.pth"),
    #        name                 timm name                                  width depth heads prefix
    _dinov2("dinov2_vits14",     "vit_small_patch14_dinov2.lvd142m",          384, 12,  6, 1),
    _dinov2("dinov2_vitb14",     "vit_base_patch14_dinov2.lvd142m",           768, 12, 12, 1),
    _dinov2("dinov2_vitl14",     "vit_large_patch14_dinov2.lvd142m",         1024, 24, 16, 1),
    _dinov2("dinov2_vits14_reg", "vit_small_patch14_reg4_dinov2.lvd142m",     384, 12,  6, 5),
    _dinov2("dinov2_vitb14_reg", "vit_base_patch14_reg4_dinov2.lvd142m",      768, 12, 12, 5),
    _dinov2("dinov2_vitl14_reg", "vit_large_patch14_reg4_dinov2.lvd142m",    1024, 24, 16, 5),
    _dinov3("dinov3_vits16",     "vit_small_patch16_dinov3.lvd1689m",         384, 12,  6),
    _dinov3("dinov3_vitb16",     "vit_base_patch16_dinov3.lvd1689m",          768, 12, 12),
    _dinov3("dinov3_vitl16",     "vit_large_patch16_dinov3.lvd1689m",        1024, 24, 16),
    _dinov3("dinov3_vitl16_sat", "vit_large_patch16_dinov3.sat493m",         1024, 24, 16, SATELLITE),
)
# fmt: on
"""The table that `segpipe backbones` prints. Add a network: one row."""

_BY_NAME: Mapping[str, Backbone] = {row.name: row for row in BACKBONES}


def find_backbone(name: str) -> Backbone:
    """The row of a backbone: from the table, made from timm's records, or of a file that `segpipe pretrain` made.

    Args:
        name: a row's, a timm model's, or a path: of such a file, or of its folder.

    Raises:
        UsageError: no such name or file, or a network that only takes one input size.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    file = pretrained.weights_file(name)
    if file is not None:
        return _row_of_file(name, file)
    if pretrained.looks_like_path(name):
        raise UsageError(
            f"{named('extract.backbone', name)}: there is no {pretrained.FILE} of `segpipe pretrain`; name its folder, "
            "or a network of `segpipe backbones`"
        )
    import timm

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, [*_BY_NAME, *timm.list_models(), *timm.list_pretrained()], 1, 0.7)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"{named('extract.backbone', name)} is not known; {hint}`segpipe backbones` lists the table, and every "
            "timm model name works too"
        )
    return _row_from_timm(name)


@lru_cache(maxsize=32)  # a model is built for its facts
def _row_from_timm(name: str) -> Backbone:
    import torch

    with torch.device("meta"):  # shapes only: nothing is computed or kept
        model = _build(name)
    cfg: dict[str, Any] = model.pretrained_cfg
    norm = (tuple(cfg["mean"]), tuple(cfg["std"]))
    licence = cfg.get("license") or "unstated; see the model's page"
    repo = cfg.get("hf_hub_id") or ""
    if is_vit(model):
        return Backbone(
            name, name, "vit", model.patch_embed.feat_ratio(), model.num_features, len(model.blocks),
            model.blocks[0].attn.num_heads, model.num_prefix_tokens, norm, licence, repo,
        )  # fmt: skip
    stages = getattr(model, "feature_info", None)
    if not stages or not hasattr(model, "forward_intermediates") or cfg.get("fixed_input_size"):
        raise UsageError(
            f"{named('extract.backbone', name)} cannot give features of images of any size in timm; choose a "
            "ViT, a plain "
            "CNN such as resnet50.a1_in1k, or a row of `segpipe backbones`"
        )
    last = stages[-1]
    return Backbone(name, name, "cnn", last["reduction"], last["num_chs"], len(stages), 0, 0, norm, licence, repo)


def _row_of_file(name: str, file: Path) -> Backbone:
    card = pretrained.read_card(file)
    if pretrained.looks_like_path(card["network"]) or card["network"] == "classical":
        raise UsageError(f"{file}: its card names no network; make it again with `segpipe pretrain`")
    row = find_backbone(card["network"])
    rule: Positions = card["positions"]
    return replace(row, name=name, licence=card["licence"], positions=rule, repo="", file=file, base=row.name)


def is_vit(model: torch.nn.Module) -> bool:
    """Whether a timm model is a plain ViT (`VisionTransformer` or the rotary `Eva`), with blocks and tokens."""
    from timm.models.eva import Eva
    from timm.models.vision_transformer import VisionTransformer

    return isinstance(model, VisionTransformer | Eva)


def build_network(row: Backbone, *, drop_path: float = 0.0) -> torch.nn.Module:
    """A ViT as timm begins with it, without classifier, drawn from torch's generator; positions by the row's rule.

    Args:
        row: of a ViT.
        drop_path: share of blocks that its last one is left out in training, 0 at its first one.
    """
    from segpipe.nn import positions as places

    model = _build(row.timm, drop_path_rate=drop_path)
    places.set_rule(model, row.positions, name=row.name)
    made: torch.nn.Module = model
    return made


def _build(timm_name: str, **settings: Any) -> Any:
    import timm

    entry = timm.model_entrypoint(timm_name.split(".")[0])
    vit = entry.__module__.rsplit(".", 1)[-1] in ("vision_transformer", "vision_transformer_hybrid", "eva", "deit")
    sized = {"dynamic_img_size": True} if vit else {}  # positions are interpolated to the input at each call
    return timm.create_model(timm_name, pretrained=False, num_classes=0, **sized, **settings)


def backbone_name(name: str) -> str:
    """A name of a backbone that means the same in another working directory: paths become absolute."""
    if name in _BY_NAME or not (pretrained.looks_like_path(name) or pretrained.weights_file(name)):
        return name
    return files.absolute(name)


def own_file(name: str) -> Path | None:
    """The file of weights that a backbone's name itself means; None for names of networks."""
    return None if name in _BY_NAME else pretrained.weights_file(name)


def positions_of(name: str, wanted: Literal["auto"] | Positions = "auto") -> Positions:
    """The rule for a backbone's positions: `auto` is its row's in the table, and timm's for timm's own names."""
    if wanted != "auto":
        return wanted
    if name in _BY_NAME:
        return _BY_NAME[name].positions
    file = pretrained.weights_file(name)
    if file is None or not pretrained.has_card(file):
        return "timm"
    rule: Positions = pretrained.read_card(file)["positions"]
    return rule


def load_network(
    row: Backbone, *, weights: Path | None, positions: Positions | None = None, inputs: int = 3
) -> tuple[torch.nn.Module, str]:
    """Build a network in evaluation mode on the CPU, with its weights.

    Args:
        row: any row but `classical`.
        weights: a file to load instead of the hub's.
        positions: the rule by which it finds its positions; None: the row's.
        inputs: channels that it takes, as the weights have them.

    Returns:
        The network without its classifier, and where the weights come from, for the record.

    Raises:
        MachineError: the weights are not at hand and cannot be fetched.
        UsageError: the file cannot be read, or is of another network, or the rule does not fit the network.
    """
    from segpipe.nn import positions as places
    from segpipe.nn import weights as formats

    if weights is not None and row.file is not None:
        raise UsageError(
            f"{named('extract.backbone', row.name)} holds its weights; leave out {named('extract.weights', weights)}"
        )
    if weights is not None:
        path, source = weights, weights.name
    elif row.file is not None:
        path, source = row.file, f"{row.file.name} sha256:{files.sha256(row.file)[:16]}"
    else:
        path, source = _from_hub(row)
    tensors = formats.read_tensors(path)
    model = _build(row.timm, **({} if inputs == 3 else {"in_chans": inputs}))
    problem = formats.fit(model, tensors)
    if problem:
        raise UsageError(f"{path} is not of {named('extract.backbone', row.name)}: {problem}{_likely(tensors, row)}")
    places.set_rule(model, positions or row.positions, name=row.name)
    return model.eval().requires_grad_(False), source


def _from_hub(row: Backbone) -> tuple[Path, str]:
    if not row.repo:
        file = f" {row.published}" if row.published else " its weights"
        raise MachineError(
            f"{named('extract.backbone', row.name)} is not on timm's hub; download{file} and set "
            f"{named('extract.weights', 'FILE')}, "
            f"or set {named('extract.backbone', 'classical')}, which needs no weights"
        )
    path = hub.cached(row.repo) or hub.fetch(row.repo, name=row.name)
    return path, f"{row.repo}@{hub.revision(path)}"


def _likely(tensors: Mapping[str, torch.Tensor], row: Backbone) -> str:
    """Name the rows of the table that have the shapes of this file."""
    from segpipe.nn import weights as formats

    found = formats.shape_of(tensors)
    if found is None:
        return f"; set {named('extract.backbone')} to the network this file was made for"
    fitting = [
        other.name
        for other in BACKBONES
        if (other.width, other.patch, other.depth, other.prefix > 1) == found and other.name != row.name
    ]
    width, patch, depth, registers = found
    shapes = f"a ViT of width {width}, patch {patch}, {depth} blocks{', with registers' if registers else ''}"
    hint = (
        f"set {named('extract.backbone', ' or '.join(fitting))}"
        if fitting
        else f"set {named('extract.backbone')} to that network"
    )
    return f"; the file holds {shapes}: {hint}"


@dataclass(frozen=True, slots=True)
class BackboneStatus:
    """A row as `segpipe backbones` shows it."""

    name: str
    timm_name: str
    patch: int
    width: int
    licence: str
    at_hand: bool
    """Whether it can be used without a download."""
    weights: str
    """Where the weights come from: `embedded`, `at hand`, `hub` (needs the network), or the file to give."""


def list_backbones() -> list[BackboneStatus]:
    """The table with what is at hand. Looks into the hub cache only; touches no network."""
    return [BackboneStatus(row.name, row.timm, row.patch, row.width, row.licence, *_where(row)) for row in BACKBONES]


def _where(row: Backbone) -> tuple[bool, str]:
    if row.kind == "classical":
        return True, "embedded"
    if not row.repo:
        return False, f"give extract.weights={row.published}"
    return (True, "at hand") if hub.cached(row.repo) else (False, "hub")
