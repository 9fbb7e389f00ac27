"""Extract: what a frozen backbone says of every patch of every crop, computed once.

Reads  corpus/    the images and their crops
Writes features/  store.zarr: patch features and one pooled vector per crop (whitening.safetensors for `classical`)
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base.config import AbsolutePath, Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime, Track, no_track
from segpipe.data.originals import read_original
from segpipe.nn.backbones import Backbone, find_backbone
from segpipe.ops.crops import Cut, batches, cut
from segpipe.parts.encoder import Describe, Encoder, has_whitening, open_encoder, save_whitening
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.store.corpus import load_corpus
from segpipe.store.features import CropFeatures, FeatureWriter, create_features, exists
from segpipe.store.run_dir import RunDir

if TYPE_CHECKING:
    from segpipe.nn import classical

NAME = "extract"
ARTEFACT = "features"
NEEDS = ("index",)
FORMAT = 1

_SAMPLE = 256  # crops the classical features are whitened by: some 50,000 patches for 454 numbers each
_LARGEST = float(np.finfo(np.float16).max)

Float32 = npt.NDArray[np.float32]


class Config(Section):
    """Settings of `extract`."""

    backbone: str = setting("dino_vits16", "name from `segpipe backbones`, or any timm model name")
    weights: AbsolutePath | None = setting(None, "weights file to use instead of the hub's (.safetensors, .pth)")
    size: int = setting(
        448, "side in pixels of a square crop as the network sees it; other shapes get about its area", ge=16
    )
    facet: Literal["token", "key", "query", "value"] = setting("token", "which vectors of a ViT's blocks are stored")
    blocks: tuple[int, ...] = setting((-1,), "blocks of a ViT or stages of a CNN, joined in this order; -1 is the last")
    norm: bool = setting(True, "pass tokens through the network's final norm")
    pool: Literal["mean", "cls"] = setting("mean", "a crop's one vector: mean of its patches, or the CLS token's")
    flip: bool = setting(False, "store features of the mirrored crops too (for refine.flip)")
    precision: Literal["float32", "bfloat16"] = setting("float32", "number type the network computes in")
    batch: int = setting(32, "crops the network sees at once", ge=1, result=False)


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
    grid: str
    bytes: int


def read_cuts(rows: Sequence[int], *, corpus: Corpus, header: FeatureHeader) -> list[Cut]:
    """Decode one image and cut these crops of it.

    Raises:
        CorpusError: the file is gone or has changed.
    """
    pixels = read_original(corpus, corpus.images[corpus.crops[rows[0]].image])
    boxes = [(row, corpus.crops[row].box) for row in rows]
    return [
        cut(pixels.rgb, pixels.valid, box, header.grid(box.size), row=row, flip=header.flipped) for row, box in boxes
    ]


def extract_shards(
    corpus: Corpus,
    header: FeatureHeader,
    pending: Sequence[range],
    *,
    describe: Describe,
    batch: int,
    workers: int,
    track: Track = no_track,
) -> Iterator[tuple[range, list[CropFeatures]]]:
    """Describe the crops of every pending shard.

    Threads decode ahead of the network. Batches hold crops of one grid and one shard in row order, so that a resumed
    run meets the same batches. What is held at a time: the features of one shard, the crops in open batches, and the
    crops of `2 * workers` images (an image is decoded once per shard that its crops lie in).

    Yields:
        The rows of a shard and their features, float16.

    Raises:
        MachineError: a feature is not a finite number of 16 bits.
        CorpusError: an image is gone or has changed.
    """
    jobs = [list(job) for shard in pending for _, job in groupby(shard, key=lambda row: corpus.crops[row].image)]
    read = partial(read_cuts, corpus=corpus, header=header)
    cuts = (item for job in thread_map(read, jobs, workers=workers, ahead=2 * workers) for item in job)
    total, left = len(corpus.crops), sum(len(shard) for shard in pending)
    tracked = iter(track(cuts, total=total, unit="crops", done=total - left))
    name = partial(_image_of, corpus)
    for shard in pending:
        features: dict[int, CropFeatures] = {}
        for crops in batches(islice(tracked, len(shard)), batch):
            features.update(describe_crops(crops, describe, pool=header.pool, name=name))
        yield shard, [features[row] for row in shard]


def describe_crops(
    crops: Sequence[Cut], describe: Describe, *, pool: str, name: Callable[[int], str]
) -> dict[int, CropFeatures]:
    """Features by row of a batch of crops of one input size; `name(row)` is for the message.

    Raises:
        MachineError: a feature is not a finite number of 16 bits.
    """
    patches, cls = describe(np.stack([item.rgb for item in crops]))
    mirrored = [item.mirrored for item in crops if item.mirrored is not None]
    turned = describe(np.stack(mirrored))[0] if mirrored else None
    found = {}
    for i, item in enumerate(crops):
        seen = item.valid if item.valid.any() else np.ones_like(item.valid)
        vector = patches[i][seen].mean(axis=0) if pool == "mean" or cls is None else cls[i]
        parts = [patches[i], vector] if turned is None else [patches[i], vector, turned[i]]
        # comparisons with NaN are false
        if not all(bool((np.abs(part) <= _LARGEST).all()) for part in parts):
            raise MachineError(
                f"{name(item.row)}: the backbone's features of this image are not finite, or too large for 16 bits; "
                "take out the image, or check extract.weights and set extract.precision=float32"
            )
        found[item.row] = CropFeatures(
            patches[i].astype(np.float16),
            vector,
            item.valid,
            None if turned is None else turned[i].astype(np.float16),
        )
    return found


def _image_of(corpus: Corpus, row: int) -> str:
    return str(corpus.path(corpus.images[corpus.crops[row].image]))


def prepare(config: Config, row: Backbone, corpus: Corpus, out: Path, runtime: Runtime) -> Encoder:
    """Load the backbone; fit the classical one to the corpus, or take up the fit of an interrupted attempt.

    Raises:
        UsageError: settings that this backbone does not have.
        MachineError: the weights are not at hand.
    """
    if row.kind == "classical":
        for key in ("weights", "facet", "blocks", "norm", "pool", "precision"):
            if getattr(config, key) != Config.model_fields[key].default:
                raise UsageError(
                    f"extract.{key}={getattr(config, key)}: extract.backbone=classical is no network and has no {key}; "
                    f"leave extract.{key} out, or choose another backbone"
                )
        if not has_whitening(out):
            from segpipe.nn import classical

            save_whitening(fit_whitening(corpus, _header(config, classical.PATCH, 1), runtime), out)
    encoder = open_encoder(_header(config, 1, 1), out, runtime)
    if row.kind != "classical" and config.pool == "cls" and not encoder.has_cls:
        raise UsageError(f"extract.pool=cls: extract.backbone={row.name} has no CLS token; set extract.pool=mean")
    return encoder


def fit_whitening(corpus: Corpus, header: FeatureHeader, runtime: Runtime) -> classical.Whitening:
    """Learn the classical features' whitening from a fixed sample of the corpus's crops."""
    from segpipe.nn import classical

    n = len(corpus.crops)
    rows = np.sort(np.random.default_rng(0).choice(n, size=min(n, _SAMPLE), replace=False)).tolist()

    def sample(row: int) -> Float32:
        (item,) = read_cuts([row], corpus=corpus, header=header)
        return classical.raw_features(item.rgb)[item.valid]

    pieces = thread_map(sample, rows, workers=runtime.workers, ahead=2 * runtime.workers)
    return classical.fit_whitening(runtime.track(pieces, total=len(rows), unit="sample crops"))


def _header(config: Config, patch: int, dim: int, source: str = "") -> FeatureHeader:
    return FeatureHeader(
        backbone=config.backbone,
        facet=config.facet,
        blocks=config.blocks,
        side=config.size,
        patch=patch,
        dim=dim,
        pool=config.pool,
        flipped=config.flip,
        norm=config.norm,
        precision=config.precision,
        weights=str(config.weights or ""),
        source=source,
    )


def check_room(out: Path, grids: npt.NDArray[np.int64], header: FeatureHeader) -> None:
    """Refuse to start what will not fit.

    Raises:
        MachineError: the disk is too full for the features of these grids (n, 2).
    """
    need = int(grids.prod(axis=1).sum()) * header.dim * 2 * (2 if header.flipped else 1)
    free = shutil.disk_usage(out).free
    if need * 1.02 > free:
        raise MachineError(
            f"{out.parent}: the features need {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; "
            "lower extract.size, take a backbone of smaller width or larger patch, or choose another disk"
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
        grid=" to ".join(f"{rows} x {cols}" for rows, cols in dict.fromkeys((order[0], order[-1]))),
        bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
    )


def outside(config: Config) -> list[Path]:
    """The user's files that the features depend on."""
    return [config.weights] if config.weights else []


def cost(config: Config, work: Work) -> Cost:
    """What `--dry-run` expects: multiply-adds of the blocks over the machine's speed, and reading of the images."""
    row = find_backbone(config.backbone)
    cells = (config.size / row.patch) ** 2
    passes = 2 if config.flip else 1
    if row.kind == "classical":
        each = 0.04 * (config.size / 224) ** 2 / work.workers
    else:
        # twice 12 width^2 multiply-adds per token for projections and MLP, 2 tokens width for attention (ViT);
        # a CNN is counted like a ViT-S/16 of the same input
        vit = row if row.kind == "vit" else find_backbone("dino_vits16")
        tokens = (config.size / vit.patch) ** 2 + vit.prefix
        each = vit.depth * (24 * tokens * vit.width**2 + 4 * tokens**2 * vit.width) / (work.gflops * 1e9)
    seconds = 3 + passes * work.crops * each + 0.02 * work.megapixels / work.workers
    return Cost(seconds, work.crops * (passes * cells * row.width * len(config.blocks) * 2 + row.width * 4))


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write `features/`, going on where an interrupted attempt with the same settings stopped."""
    corpus = load_corpus(run_dir.path("corpus"))
    row = find_backbone(config.backbone)
    with run_dir.resuming(ARTEFACT) as out:
        encoder = prepare(config, row, corpus, out, runtime)
        header = _header(config, encoder.patch, encoder.dim, encoder.weights)
        grids = np.array([(g.rows, g.cols) for g in (header.grid(crop.box.size) for crop in corpus.crops)])
        if not exists(out):
            check_room(out, grids, header)
            create_features(out, header, grids)
        writer = FeatureWriter(out)
        shards = extract_shards(
            corpus, header, writer.pending(),
            describe=encoder.describe, batch=config.batch, workers=runtime.workers, track=runtime.track,
        )  # fmt: skip
        for rows, features in shards:
            writer.write(rows, features)
        return summarize(header, grids, out, row, encoder.weights)
