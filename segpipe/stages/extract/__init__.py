"""Extract: what a frozen backbone says of every patch of every crop, computed once.

Reads  corpus/    the images and their crops
Writes features/  store.zarr: patch features and one pooled vector per crop (whitening.safetensors for `classical`)
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel
from threadpoolctl import threadpool_limits

from segpipe.base.config import AbsolutePath, Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.inference.encoder import Encoder, has_whitening, open_encoder, save_whitening
from segpipe.inference.extraction import bfloat16_cosine, describe_shards, read_cuts, sample_patches, sample_rows
from segpipe.inference.known_features import take_fit
from segpipe.nn.backbones import Backbone, backbone_name, find_backbone, own_file, positions_of
from segpipe.ops.clustering.kmeans import Moments
from segpipe.records.codec import Codec, CodecName, channels_of, stored_bytes
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureWriter, create_features, exists, stored_header
from segpipe.store.run_dir import RunDir

if TYPE_CHECKING:
    from segpipe.nn import classical

log = logging.getLogger(__name__)

_COSINE = 0.999
"""Of features in bfloat16 to those in float32, below which `auto` stays with float32."""

NAME = "extract"
ARTEFACT = "features"
NEEDS = ("index",)
FORMAT = 1
UNLISTED = ("store.zarr/patches/c/*", "store.zarr/flipped/c/*")  # many gigabytes, with checksums of their own
FILES = {
    "store.zarr/*": (
        "zarr v3 with checksums: `patches` (crops, rows, cols, d), packed as `extract.codec` says; `vectors` "
        "(crops, d), one pooled vector each; `grids` (crops, 2), rows and cols in use; `valid` (crops, rows, "
        "cols), the share of a patch that shows image; `done` (crops,)"
    ),
    "whitening.safetensors": "of `classical` features: mean and directions by which they are whitened",
}

Float32 = npt.NDArray[np.float32]


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
    batch: int = setting(32, "crops a GPU sees at once; a CPU at most 4 in each of its workers", ge=1, result=False)

    def identity(self) -> dict[str, Any]:
        """As of `Section`, with the rule of positions that is used; without it where it is the only one there was."""
        rule = positions_of(self.backbone, self.positions)
        values = super().identity() | {"positions": rule}
        if rule == "timm":
            del values["positions"]
        return values


class Summary(BaseModel):
    """What was stored."""

    backbone: str
    weights: str
    licence: str
    facet: str
    crops: int
    size: int
    patch: int
    dim: int
    precision: str
    codec: str
    grid: str
    bytes: int


def accept(config: Config) -> None:
    """Refuse a backbone that nobody knows, and settings that it does not have.

    Raises:
        UsageError: which.
    """
    if find_backbone(config.backbone).kind != "classical":
        return
    for key in ("weights", "facet", "blocks", "norm", "pool", "precision", "positions"):
        if getattr(config, key) != Config.model_fields[key].default:
            raise UsageError(
                f"extract.{key}={getattr(config, key)}: extract.backbone=classical is no network and has no {key}; "
                f"leave extract.{key} out, or choose another backbone"
            )


def prepare(config: Config, row: Backbone, corpus: Corpus, out: Path, runtime: Runtime) -> Encoder:
    """Load the backbone; fit the classical one to the corpus, or take up the fit of an interrupted attempt.

    Raises:
        UsageError: settings that this backbone does not have.
        MachineError: the weights are not at hand.
    """
    if row.kind == "classical" and not has_whitening(out):
        from segpipe.nn import classical

        save_whitening(fit_whitening(corpus, _header(config, classical.PATCH, 1), runtime), out)
    encoder = open_encoder(_header(config, 1, 1, precision=_precision(config, row, corpus, out, runtime)), out, runtime)
    if row.kind != "classical" and config.pool == "cls" and not encoder.has_cls:
        raise UsageError(f"extract.pool=cls: extract.backbone={row.name} has no CLS token; set extract.pool=mean")
    return encoder


def _precision(config: Config, row: Backbone, corpus: Corpus, out: Path, runtime: Runtime) -> str:
    """What `auto` means here; a store that was begun, perhaps on another machine, is finished as it was begun."""
    if row.kind == "classical":
        return "float32"
    if exists(out):
        return stored_header(out).precision
    from segpipe.nn.precision import pick_precision

    picked = pick_precision(config.precision, runtime.device)
    if picked == config.precision or picked == "float32":
        return picked
    cosine = bfloat16_cosine(corpus, _header(config, 1, 1), out, runtime)
    chosen = picked if cosine >= _COSINE else "float32"
    log.info(
        "extract  computes in %s: this device multiplies in bfloat16, and 99 of 100 patches have a cosine of at least "
        "%.4f to those in float32 (%g is asked for)",
        *(chosen, cosine, _COSINE),
    )
    return chosen


def fit_whitening(corpus: Corpus, header: FeatureHeader, runtime: Runtime) -> classical.Whitening:
    """Learn the classical features' whitening from a fixed sample of the corpus's crops."""
    from segpipe.nn import classical

    rows = sample_rows(corpus)

    def sample(row: int) -> Float32:
        (item,) = read_cuts([row], corpus=corpus, header=header)
        return classical.raw_features(item.rgb)[item.valid]

    pieces = thread_map(sample, rows, workers=runtime.workers, ahead=2 * runtime.workers)
    return classical.fit_whitening(runtime.track(pieces, total=len(rows), unit="sample crops"))


def fit_codec(name: CodecName, dim: int, sample: Iterable[npt.NDArray[np.floating]]) -> Codec | None:
    """Learn how to pack features of this length from a sample of them, (m, dim) at a time; float16 packs nothing."""
    if name == "float16":
        return None
    if name == "int8":
        return Codec(dim)
    moments = Moments(dim)
    with threadpool_limits(1):  # the same bits whatever the number of threads
        for patches in sample:
            moments.add(patches)
        return Codec(dim, *moments.principal_components(channels_of(name, dim)))


def _header(config: Config, patch: int, dim: int, source: str = "", precision: str = "float32") -> FeatureHeader:
    return FeatureHeader(
        backbone=config.backbone,
        facet=config.facet,
        blocks=config.blocks,
        side=config.input_size,
        patch=patch,
        dim=dim,
        pool=config.pool,
        flipped=config.flip,
        norm=config.norm,
        precision=precision,
        weights=str(config.weights or ""),
        source=source,
        codec=config.codec,
        positions=positions_of(config.backbone, config.positions),
    )


def check_room(out: Path, grids: npt.NDArray[np.int64], header: FeatureHeader) -> None:
    """Refuse to start what will not fit.

    Raises:
        MachineError: the disk is too full for the features of these grids (n, 2).
    """
    each = [stored_bytes(header.codec, header.dim, int(patches)) for patches in grids.prod(axis=1)]
    need = sum(each) * (2 if header.flipped else 1)
    free = shutil.disk_usage(out).free
    if need * 1.02 > free:
        raise MachineError(
            f"{out.parent}: the features need {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; "
            "set extract.codec=pca8, lower extract.input_size, take a backbone of smaller width, or choose another disk"
        )


def summarize(header: FeatureHeader, grids: npt.NDArray[np.int64], out: Path, row: Backbone, weights: str) -> Summary:
    """The facts of a finished store; `grid` names the smallest and the largest."""
    order = sorted({(int(r), int(c)) for r, c in grids}, key=lambda grid: (grid[0] * grid[1], grid))
    return Summary(
        backbone=row.name,
        weights=weights,
        licence=row.licence,
        facet=header.facet,
        crops=len(grids),
        size=header.side,
        patch=header.patch,
        dim=header.dim,
        precision=header.precision,
        codec=header.codec,
        grid=" to ".join(f"{rows} x {cols}" for rows, cols in dict.fromkeys((order[0], order[-1]))),
        bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
    )


def input_files(config: Config) -> list[Path]:
    """The user's files that the features depend on."""
    pretrained = own_file(config.backbone)
    return [path for path in (config.weights, pretrained) if path is not None]


def cost(config: Config, work: Work) -> Cost:
    """What `--dry-run` expects: multiply-adds of the blocks over the machine's speed, and reading of the images."""
    row = find_backbone(config.backbone)
    cells = (config.input_size / row.patch) ** 2
    passes = 2 if config.flip else 1
    if row.kind == "classical":
        each = 0.04 * (config.input_size / 224) ** 2 / work.workers
    else:
        # twice 12 width^2 multiply-adds per token for projections and MLP, 2 tokens width for attention (ViT);
        # a CNN is counted like a ViT-S/16 of the same input
        vit = row if row.kind == "vit" else find_backbone("dino_vits16")
        tokens = (config.input_size / vit.patch) ** 2 + vit.prefix
        each = vit.depth * (24 * tokens * vit.width**2 + 4 * tokens**2 * vit.width) / (work.gflops * 1e9)
    seconds = 3 + passes * work.crops * each + 0.02 * work.megapixels / work.workers
    dim = row.width * len(config.blocks)
    return Cost(seconds, work.crops * (passes * stored_bytes(config.codec, dim, cells) + row.width * 4))


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write `features/`, going on where an interrupted attempt with the same settings stopped."""
    accept(config)
    corpus = load_corpus(run_dir.path("corpus"))
    row = find_backbone(config.backbone)
    with run_dir.resuming(ARTEFACT) as out:
        if row.kind == "classical":
            take_fit(run_dir, out)
        encoder = prepare(config, row, corpus, out, runtime)
        header = _header(config, encoder.patch, encoder.dim, encoder.weights, encoder.precision)
        grids = np.array([(g.rows, g.cols) for g in (header.grid(crop.box.size) for crop in corpus.crops)])
        how: Any = {
            "describe": encoder.describe,
            "batch": min(config.batch, encoder.most),
            "lanes": encoder.lanes,
            "workers": runtime.workers,
            "track": runtime.track,
        }
        with encoder.alone():
            if not exists(out):
                check_room(out, grids, header)
                codec = fit_codec(config.codec, header.dim, sample_patches(corpus, header, **how))
                create_features(out, header, grids, codec)
            writer = FeatureWriter(out)
            shards = describe_shards(corpus, header, writer.pending(), **how)
            # beside the network, in order; a finished shard waits for one that is being written
            for _ in thread_map(lambda shard: writer.write(*shard), shards, workers=1, ahead=2):
                pass
        return summarize(header, grids, out, row, encoder.weights)
