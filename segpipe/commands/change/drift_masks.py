"""Masks of the second date as they would be without the drift of features, and what the drift makes of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from segpipe.base import parallel
from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box, mask_tiles
from segpipe.base.runtime import Runtime
from segpipe.commands.change.survey import SurveyDate
from segpipe.inference.inputs import SegmentInputs, image_crops, refine_tile
from segpipe.inference.segmenter import tile_side
from segpipe.ops.change.feature_drift import FeatureDrift
from segpipe.ops.change.light_effect import LightEffect, anything, light_effect
from segpipe.ops.change.transition import count_transitions
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.pipeline import log
from segpipe.stages import refine
from segpipe.stages.refine.threads import take_one_thread, threads_restored
from segpipe.store import masks
from segpipe.store.clusters import open_clusters
from segpipe.store.run_dir import RunDir

_TILES = 40  # images, or tiles of mosaics, whose masks are made again

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


def measure_effect(survey: SurveyDate, drift: FeatureDrift, runtime: Runtime, *, seed: int) -> LightEffect:
    """What a drift makes of the masks of a date, by a seeded sample of images or tiles of mosaics.

    Files that are gone or have changed are told and take no part.
    """
    run_dir, legend = survey.run_dir, survey.legend
    items = _sample(survey, open_without(run_dir, drift.shift), seed)
    counts, lost = list[Int64](), list[str]()
    with threads_restored():
        made = parallel.process_map(
            _refine_one,
            items,
            workers=min(runtime.workers, len(items)),
            initializer=_start,
            arguments=(partial(open_without, run_dir, drift.shift),),
        )
        tracked = runtime.track(made, total=len(items), unit="masks without drift")
        for (image, tile), mask in zip(items, tracked, strict=True):
            if isinstance(mask, str):
                lost.append(mask)
            else:
                counts.append(count_transitions(legend.read(mask), survey.labels(image, tile), legend.classes))
    if lost:
        log.warning("what light makes is measured on %d of %d masks: %s", len(counts), len(items), lost[0])
    return light_effect(counts, drift.unevenness) if counts else anything(legend.classes)


def open_without(run_dir: RunDir, shift: Float32) -> SegmentInputs:
    """What `refine` takes of a run, with a shift (d,) taken away from all its features.

    A head takes its mean away first: moving it takes the shift away from every patch.

    Raises:
        UsageError: an artefact is damaged.
    """
    clusters = open_clusters(run_dir)
    config = SegmentConfig.from_header(clusters, masks.load_header(run_dir.path("masks")))
    inputs = refine.open_inputs(run_dir, clusters, config)
    inputs.head.mean += inputs.head.mean.new_tensor(shift.tolist())
    return inputs


def _sample(survey: SurveyDate, inputs: SegmentInputs, seed: int) -> list[tuple[int, Box]]:
    """Images and tiles of them."""
    corpus, header = survey.corpus, inputs.features.header
    rng = np.random.default_rng((seed, 2))
    chosen = survey.images
    if len(chosen) > _TILES:
        chosen = tuple(np.sort(rng.choice(chosen, _TILES, replace=False)).tolist())
    sides = [tile_side(image_crops(corpus, header, i), inputs.config) for i in chosen]
    items = [
        (i, tile) for i, side in zip(chosen, sides, strict=True) for tile in mask_tiles(corpus.images[i].size, side)
    ]
    if len(items) > _TILES:
        items = [items[k] for k in np.sort(rng.choice(len(items), _TILES, replace=False)).tolist()]
    return items


_worker: SegmentInputs | None = None  # of this worker process, set by `_start` alone


def _start(opened: partial[SegmentInputs]) -> None:
    global _worker
    take_one_thread()
    _worker = opened()


def _refine_one(item: tuple[int, Box]) -> masks.Mask | str:
    """The mask of a tile, or why there is none."""
    assert _worker is not None
    try:
        return refine_tile(_worker, *item)[0]
    except CorpusError as error:
        return str(error)
