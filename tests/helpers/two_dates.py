"""Surveys of two dates without a network: corpora of drawn rasters or of names alone, and masks written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe import pipeline
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import no_track
from segpipe.commands.change.survey import SurveyDate
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.geo import Geo
from segpipe.records.legend import plain_legend
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from tests.helpers.drawn_ground import write_raster

Labels = npt.NDArray[np.uint8]
Rgb = npt.NDArray[np.uint8]

CLASSES = 4
TILE = 200


def named_survey(
    pixels: Mapping[str, Sequence[int]], *, name: str = "date", geo: Mapping[str, Geo] | None = None, side: int = 100
) -> SurveyDate:
    """A date whose images are ids with pixels by class; no file of it is there."""
    ids = list(pixels)
    size = Size(side, side)
    images = tuple(
        Image(id=each, path=f"{each}.jpg", size=size, depth="uint8", sha256="", bytes=1, geo=(geo or {}).get(each))
        for each in ids
    )
    crops = tuple(Crop(i, Box(0, 0, side, side)) for i in range(len(ids)))
    index = [
        {"id": each, "pixels": {str(k): n for k, n in enumerate(pixels[each]) if n}, "nodata": 0, "height": side}
        | {"width": side, "file": f"{each}.png"}
        for each in ids
    ]
    classes = len(next(iter(pixels.values())))
    corpus, run_dir = Corpus(Path("photos"), images, crops), pipeline.open_run(Path("nowhere"))
    return SurveyDate(run_dir, corpus, tuple(range(len(ids))), index, plain_legend(classes), name)


def raster_survey(folder: Path, rgb: Rgb, labels: Labels, *, window: int = 128, east: float = 500_000) -> SurveyDate:
    """A date of one mosaic on the earth, in `folder`, indexed; its mask lies in tiles."""
    write_raster(folder / "mosaic.tif", rgb, east=east)
    run_dir = pipeline.open_run(folder / "run")
    more = {"index.images": str(folder / "mosaic.tif"), "index.window": window, "runtime.workers": 1}
    pipeline.work(run_dir, pipeline.resolve(run_dir, more=more), no_track, stop="index")
    size, directory, entries = Size(*labels.shape), run_dir.root / "masks", []
    for top in range(0, size.height, TILE):
        for left in range(0, size.width, TILE):
            part = labels[top : top + TILE, left : left + TILE]
            masks.write_mask(masks.tile_path(directory, "mosaic", Box(top, left, *part.shape)), part, classes=CLASSES)
            entries.append(masks.describe_mask("mosaic", part, classes=CLASSES))
    index = [masks.join_tiles(size, TILE, entries)]
    return SurveyDate(run_dir, load_corpus(run_dir.path("corpus")), (0,), index, plain_legend(CLASSES), folder.name)
