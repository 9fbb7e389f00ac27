"""Preparation of `extract`: the backbone opened, and what is learned of a sample of the corpus before the features."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.inference.encoder import Encoder, has_whitening, open_encoder, save_whitening
from segpipe.inference.extraction import bfloat16_cosine, read_cuts, sample_rows
from segpipe.inference.view_plan import find_views
from segpipe.nn.backbones import Backbone, positions_of
from segpipe.ops.clustering.kmeans import Moments
from segpipe.records.band_view import BandView
from segpipe.records.codec import Codec, CodecName, channels_of, stored_bytes
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.stages.extract.extract_settings import Config
from segpipe.store.features import exists, stored_header

if TYPE_CHECKING:
    from segpipe.nn import classical

log = logging.getLogger(__name__)

_COSINE = 0.999
"""Of features in bfloat16 to those in float32, below which `auto` stays with float32."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SeenBands:
    """What of images is looked at, where they are more than red, green and blue."""

    channels: tuple[str, ...] = ()
    views: tuple[BandView, ...] = ()


def see_bands(
    config: Config, row: Backbone, corpus: Corpus, out: Path, runtime: Runtime, settled: Sequence[BandView] = ()
) -> SeenBands:
    """What of the channels of images is looked at; a store that was begun is finished as it was begun.

    `settled` is what `auto` and `pca` mean; where it is empty, that is found out.

    Raises:
        UsageError: the images do not have what `extract.views` names.
    """
    if not corpus.channels and config.views == ("auto",):
        return SeenBands()
    if exists(out):
        header = stored_header(out)
        return SeenBands(header.channels, header.views)
    views = tuple(settled)
    if not views and row.kind != "classical":
        views = find_views(config.views, corpus, header_of(config, row.patch, 1), runtime)
    if views:
        log.info("extract  looks at %s", ", ".join(view.name for view in views))
    return SeenBands(corpus.channels, views)


def prepare(
    config: Config,
    row: Backbone,
    corpus: Corpus,
    out: Path,
    runtime: Runtime,
    *,
    seen: SeenBands,
    precision: str = "",
) -> Encoder:
    """Load the backbone; fit the classical one to the corpus, or take up the fit of an interrupted attempt.

    `precision` is what `auto` means; where it is empty, that is found out.

    Raises:
        UsageError: settings that this backbone does not have.
        MachineError: the weights are not at hand.
    """
    if row.kind == "classical" and not has_whitening(out):
        from segpipe.nn import classical

        save_whitening(fit_whitening(corpus, header_of(config, classical.PATCH, 1), runtime), out)
    bare = header_of(config, 1, 1, seen=seen)
    if exists(out) or not precision:
        precision = _precision(config, row, corpus, out, runtime, header=bare)
    encoder = open_encoder(replace(bare, precision=precision), out, runtime)
    if row.kind != "classical" and config.pool == "cls" and not encoder.has_cls:
        raise UsageError(f"extract.pool=cls: extract.backbone={row.name} has no CLS token; set extract.pool=mean")
    return encoder


def _precision(
    config: Config, row: Backbone, corpus: Corpus, out: Path, runtime: Runtime, *, header: FeatureHeader
) -> str:
    """What `auto` means here; a store that was begun, perhaps on another machine, is finished as it was begun."""
    if row.kind == "classical":
        return "float32"
    if exists(out):
        return stored_header(out).precision
    from segpipe.nn.precision import pick_precision

    picked = pick_precision(config.precision, runtime.device)
    if picked == config.precision or picked == "float32":
        return picked
    cosine = bfloat16_cosine(corpus, header, out, runtime)
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


def header_of(
    config: Config, patch: int, dim: int, source: str = "", precision: str = "float32", *, seen: SeenBands | None = None
) -> FeatureHeader:
    """What a store of these features says of itself; `patch` and `dim` may be unknown (1) where nobody asks."""
    seen = seen or SeenBands()
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
        channels=seen.channels,
        views=seen.views,
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
