"""Student and teacher: which ViT is trained, and what both begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from segpipe.base import files
from segpipe.base.errors import UsageError, named
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.nn.backbones import Backbone, build_network, find_backbone, load_network
from segpipe.nn.pretrained import has_card
from segpipe.nn.projection_head import Headed, ProjectionHead

_NETWORK = "vit_tiny_patch16_224"
_RANDOM = "random"
_ENDINGS = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True, slots=True)
class Start:
    """Which network is trained, and the weights it begins with."""

    row: Backbone
    weights: Path | None
    """A file of weights of that network."""
    random: bool
    """Whether it begins with weights that are drawn."""


def find_start(options: PretrainOptions) -> Start:
    """Resolve `--init` and `--backbone`.

    Raises:
        UsageError: an unknown name, no ViT, two networks named, or sizes of views that are no whole patches.
    """
    init, asked = options.init, options.backbone
    weights = None
    if init == _RANDOM:
        row = find_backbone(asked or _NETWORK)
    elif Path(init).suffix in _ENDINGS and Path(init).is_file() and not has_card(Path(init)):
        weights, row = Path(init), find_backbone(asked or _NETWORK)
    else:
        row = find_backbone(init)
        other = find_backbone(asked) if asked else row
        if (other.timm, other.width) != (row.timm, row.width):
            raise UsageError(
                f"{named('backbone', asked)} is another network than {named('init', init)}; leave out "
                f"{named('backbone')}, or begin with {named('init', _RANDOM)}"
            )
    if row.kind != "vit":
        raise UsageError(
            f"{named('backbone', row.name)} is no ViT, and only ViTs are trained; choose one of timm, such as "
            f"{named('backbone', _NETWORK)}"
        )
    for name in ("global_size", "local_size"):
        side = getattr(options, name)
        if side % row.patch:
            near = max(row.patch, round(side / row.patch) * row.patch)
            raise UsageError(
                f"{named(name, side)} is no multiple of the {row.patch} pixels of a patch of {row.name}; give "
                f"{named(name, near)}"
            )
    return Start(row, weights, init == _RANDOM)


def make_pair(start: Start, options: PretrainOptions, *, outputs: int, device: str) -> tuple[Headed, Headed, str]:
    """Student and teacher with the same weights on their device, and what these are, with what identifies them.

    The student leaves out blocks at random (stochastic depth), the teacher never. What is drawn comes from the seed.

    Raises:
        UsageError: the file is of another network.
        MachineError: the weights are not at hand.
    """
    row, source = start.row, _RANDOM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        student = _headed(row, options, outputs, drop_path=options.drop_path)
        teacher = _headed(row, options, outputs, drop_path=0.0)
    if not start.random:
        known, source = load_network(row, weights=start.weights)
        if start.weights is not None:
            source = f"{source} sha256:{files.sha256(start.weights)[:16]}"
        student.backbone.load_state_dict(known.state_dict())
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False).eval()
    return student.to(device).train(), teacher.to(device), source


def _headed(row: Backbone, options: PretrainOptions, outputs: int, *, drop_path: float) -> Headed:
    head = ProjectionHead(row.width, outputs, fixed_lengths=not options.free_last_layer)
    return Headed(build_network(row, drop_path=drop_path), head)
