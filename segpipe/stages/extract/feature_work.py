"""The work of `extract`: features of a corpus, laid out once, then written by one process or several."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base.errors import UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime, Track
from segpipe.inference.encoder import Encoder
from segpipe.inference.extraction import describe_shards, sample_patches
from segpipe.inference.known_features import (
    KnownFeatures,
    crop_keys,
    describe_new,
    find_known,
    fitting,
    known_codec,
    settled_precision,
    settled_views,
    take_fit,
)
from segpipe.nn.backbones import Backbone, find_backbone
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.stages.extract.extract_settings import Config
from segpipe.stages.extract.preparation import SeenBands, check_room, fit_codec, header_of, prepare, see_bands
from segpipe.store.corpus import load_corpus
from segpipe.store.crop_keys import CROP_KEYS, Keys, load_keys, save_keys
from segpipe.store.features import FeatureWriter, create_features
from segpipe.store.run_dir import RunDir

FORMAT = 1

log = logging.getLogger(__name__)

T = TypeVar("T")


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


class Extraction:
    """The features of a corpus while they are made: laid out once, then written by one process or several.

    What `auto` means and how features are packed is decided by the layout; who comes later reads it back. A unit is a
    shard of the store, which has one writer.
    """

    def __init__(self, config: Config, run_dir: RunDir, out: Path, runtime: Runtime) -> None:
        self._config, self._run_dir, self._out, self._runtime = config, run_dir, out, runtime
        self._row = find_backbone(config.backbone)

    @cached_property
    def _corpus(self) -> Corpus:
        return load_corpus(self._run_dir.path("corpus"))

    @cached_property
    def _keys(self) -> Keys:
        found = load_keys(self._out / CROP_KEYS)
        return crop_keys(self._corpus) if found is None else found

    @cached_property
    def _known(self) -> KnownFeatures | None:
        fitted = self._row.kind == "classical" or self._config.codec == "pca8" or bool(self._corpus.channels)
        made = {"format": FORMAT, "settings": self._config.identity()}
        return find_known(self._run_dir, self._keys, made, fitted=fitted)

    @cached_property
    def _seen(self) -> SeenBands:
        settled = settled_views(self._run_dir, self._known, self._corpus.channels)
        return see_bands(self._config, self._row, self._corpus, self._out, self._runtime, settled)

    @cached_property
    def _encoder(self) -> Encoder:
        settled = settled_precision(self._run_dir, self._known)
        of = self._config, self._row, self._corpus, self._out, self._runtime
        return prepare(*of, seen=self._seen, precision=settled)

    @cached_property
    def _writer(self) -> FeatureWriter:
        return FeatureWriter(self._out)

    @property
    def units(self) -> int:
        """Shards of the store."""
        return self._writer.shards

    def names(self, units: range) -> list[str]:
        """The files of some shards."""
        return self._writer.names(units)

    def _how(self, track: Track) -> dict[str, Any]:
        encoder = self._encoder
        return {
            "describe": encoder.describe,
            "batch": min(self._config.batch, encoder.most),
            "lanes": encoder.lanes,
            "workers": self._runtime.workers,
            "track": track,
        }

    def lay_out(self) -> None:
        """Write the empty store, and all that is learned of a sample of the corpus."""
        config, corpus, out = self._config, self._corpus, self._out
        if self._row.kind == "classical":
            take_fit(self._run_dir, self._known, out)
        encoder = self._encoder
        of = encoder.patch, encoder.dim, encoder.weights, encoder.precision
        header = header_of(config, *of, seen=self._seen)
        grids = np.array([(g.rows, g.cols) for g in (header.grid(crop.box.size) for crop in corpus.crops)])
        check_room(out, grids, header)
        with encoder.alone():
            sample = sample_patches(corpus, header, **self._how(self._runtime.track))
            codec = known_codec(self._known, header) or fit_codec(config.codec, header.dim, sample)
            save_keys(self._keys, out / CROP_KEYS)
            create_features(out, header, grids, codec)

    def write(self, units: range | None = None) -> None:
        """Write the shards that are not finished, or those of some.

        Raises:
            UsageError: the store was begun with other weights.
        """
        writer = self._writer
        pending = writer.pending(units)
        if not pending:
            return
        encoder, header = self._encoder, writer.header
        if encoder.weights != header.source:
            raise UsageError(
                f"{self._out} was begun with the weights {header.source}, here are {encoder.weights}; put the same "
                "file on every machine and name it by extract.weights"
            )
        with encoder.alone():
            track = self._runtime.track if units is None else partial(_of, len(writer.rows(units)), self._runtime.track)
            known = fitting(self._known, header, self._out)
            if known is not None and units is None:
                new = len(self._keys) - len(known.rows)
                log.info("extract  %d of %d crops are new, the features of the others are there", new, len(self._keys))
            shards = describe_new(known, pending, partial(describe_shards, self._corpus, header, **self._how(track)))
            # beside the network, in order; a finished shard waits for one that is being written
            for _ in thread_map(lambda shard: writer.write(*shard), shards, workers=1, ahead=2):
                pass

    def finish(self) -> Summary:
        """Tidy up a store of which every shard is there."""
        writer = self._writer
        writer.clear()
        return summarize(writer.header, writer.grids, self._out, self._row, writer.header.source)


def _of(rows: int, track: Track, items: Iterable[T], *, total: int, unit: str, done: int = 0) -> Iterator[T]:
    """Track a part of the crops: of `total` that there are, `done` were not to be made."""
    return track(items, total=rows, unit=unit, done=rows - (total - done))


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
