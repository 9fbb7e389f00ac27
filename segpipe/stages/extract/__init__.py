"""Extract: what a frozen backbone says of every patch of every crop, computed once.

Reads  corpus/    the images and their crops
Writes features/  store.zarr: patch features and one pooled vector per crop (whitening.safetensors for `classical`)
"""

from __future__ import annotations

from pathlib import Path

from segpipe.base.cost import Cost, Work
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.inference.view_plan import count_views
from segpipe.nn.backbones import find_backbone, own_file
from segpipe.records.codec import stored_bytes
from segpipe.stages.extract.extract_settings import Config as Config
from segpipe.stages.extract.feature_work import FORMAT as FORMAT
from segpipe.stages.extract.feature_work import Extraction, Summary
from segpipe.store.crop_keys import CROP_KEYS
from segpipe.store.features import exists
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Sharing

NAME = "extract"
ARTEFACT = "features"
NEEDS = ("index",)
UNLISTED = ("store.zarr/patches/c/*", "store.zarr/flipped/c/*")  # many gigabytes, with checksums of their own
FILES = {
    "store.zarr/*": (
        "zarr v3 with checksums: `patches` (crops, rows, cols, d), packed as `extract.codec` says; `vectors` "
        "(crops, d), one pooled vector each; `grids` (crops, 2), rows and cols in use; `valid` (crops, rows, "
        "cols), the share of a patch that shows image; `done` (crops,)"
    ),
    CROP_KEYS: "of every crop a fingerprint of what the network saw, by which a later extraction knows it again",
    "whitening.safetensors": "of `classical` features: mean and directions by which they are whitened",
}


def accept(config: Config) -> None:
    """Refuse a backbone that nobody knows, and settings that it does not have.

    Raises:
        UsageError: which.
    """
    if find_backbone(config.backbone).kind != "classical":
        return
    for key in ("weights", "facet", "blocks", "norm", "pool", "precision", "positions", "views"):
        if getattr(config, key) != Config.model_fields[key].default:
            raise UsageError(
                f"extract.{key}={getattr(config, key)}: extract.backbone=classical is no network and has no {key}; "
                f"leave extract.{key} out, or choose another backbone"
            )


def input_files(config: Config) -> list[Path]:
    """The user's files that the features depend on."""
    pretrained = own_file(config.backbone)
    return [path for path in (config.weights, pretrained) if path is not None]


def cost(config: Config, work: Work) -> Cost:
    """What `--dry-run` expects: multiply-adds of the blocks over the machine's speed, and reading of the images."""
    row = find_backbone(config.backbone)
    cells = (config.input_size / row.patch) ** 2
    passes, views = 2 if config.flip else 1, 1
    if row.kind == "classical":
        each = 0.04 * (config.input_size / 224) ** 2 / work.workers
    else:
        # twice 12 width^2 multiply-adds per token for projections and MLP, 2 tokens width for attention (ViT);
        # a CNN is counted like a ViT-S/16 of the same input
        vit = row if row.kind == "vit" else find_backbone("dino_vits16")
        tokens = (config.input_size / vit.patch) ** 2 + vit.prefix
        views = count_views(config.views, work.channels)
        each = views * vit.depth * (24 * tokens * vit.width**2 + 4 * tokens**2 * vit.width) / (work.gflops * 1e9)
    read = 0.02 * max(1, work.channels / 3)  # bands are read one after the other
    seconds = 3 + passes * work.crops * each + read * work.megapixels / work.workers
    dim = views * row.width * len(config.blocks)
    return Cost(seconds, work.crops * (passes * stored_bytes(config.codec, dim, cells) + views * row.width * 4))


SHARING = Sharing(Extraction, exists)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write `features/`, going on where an interrupted attempt with the same settings stopped, or several parts."""
    accept(config)
    with run_dir.resuming(ARTEFACT) as out:
        work = Extraction(config, run_dir, out, runtime)
        if not exists(out):
            work.lay_out()
        work.write()
        return work.finish()
