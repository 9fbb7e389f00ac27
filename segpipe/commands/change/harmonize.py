"""Harmonizing: the second date in the colors of the first, and without the shift of features that all classes share.

Neither moves one class against another: every image of the date goes through the same line per channel, and every patch
loses the same vector. What is left between the dates then is not what light, season or a camera did to all of it.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe import pipeline
from segpipe.base import checksums, files
from segpipe.base.errors import UsageError, named
from segpipe.base.geometry import Box
from segpipe.base.runtime import Track
from segpipe.commands.change.light_drift import drift_between
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.raster_writing import write_like
from segpipe.commands.change.second_date import machine_settings
from segpipe.commands.change.survey import SurveyDate, open_survey
from segpipe.images.corpus_reader import open_original, read_reduced
from segpipe.images.readers import Pixels
from segpipe.inference.codes import HEAD
from segpipe.ops.change.color_shift import ColorStatistics, color_table, recolored
from segpipe.pipeline.kept_classes import found_on
from segpipe.records.corpus import Corpus, Image
from segpipe.stages import cluster, train
from segpipe.store.checkpoints import load_tensors, save_tensors
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir

FOLDER = "harmonized"
_SAMPLE, _SIDE = 200, 256  # images of a date by which its colors are known, and pixels of their longest side

Rgb = npt.NDArray[np.uint8]


def harmonize(surveys: tuple[SurveyDate, SurveyDate], options: ChangeOptions, track: Track) -> SurveyDate:
    """The second date, harmonized and segmented again by the clusters of the first.

    Args:
        surveys: the two dates, in the same classes.
        options: where it is written, device and workers.
        track: shows how far the work is.

    Raises:
        UsageError: the second date holds frames of videos, or bands were chosen.
        SegpipeError: as stages raise them.
    """
    first, second = surveys
    _refuse(second)
    home = options.out / FOLDER
    shutil.rmtree(home / "images", ignore_errors=True)
    table = color_table(color_statistics(second), color_statistics(first))
    for i in track(second.images, total=len(second.images), unit="images recolored"):
        write_recolored(second.corpus, second.corpus.images[i], table, home / "images")
    run_a, run_b, model = first.run_dir, pipeline.open_run(home / "run"), pipeline.open_run(home / "model")
    more = {"index.images": str((home / "images").absolute()), **machine_settings(options)}
    settings = pipeline.resolve(run_a, more=more)
    pipeline.keep_classes(run_b, settings, model if (model.root / "manifest.json").exists() else run_a)
    pipeline.work(run_b, settings, track, stop="extract")
    corpus = load_corpus(run_b.path("corpus"))
    found = replace(second, run_dir=run_b, corpus=corpus, images=tuple(range(len(corpus.images))), without=None)
    drift = drift_between(first, found, seed=options.seed)
    if drift is None:
        raise UsageError(f"{run_b.root}: its features are of another kind than those of {run_a.root}; run both again")
    shifted_model(run_a, model, settings, drift.shift)
    pipeline.keep_classes(run_b, settings, model)
    pipeline.work(run_b, settings, track, stop="refine")
    return replace(open_survey(run_b, first.legend, second.name), without=second.without, shift=drift.shift)


def _refuse(second: SurveyDate) -> None:
    if second.corpus.bands or second.corpus.channels:
        raise UsageError(f"{named('harmonize')}: colors are those of plain red, green and blue; leave index.bands out")
    film = next((image for i in second.images if (image := second.corpus.images[i]).moment is not None), None)
    if film is not None:
        raise UsageError(f"{named('harmonize')}: {film.id} is a frame of a video, which is not recolored; leave it out")


def color_statistics(survey: SurveyDate) -> ColorStatistics:
    """Of an even sample of the date's images, reduced; pure black, which fills what is no image, left out.

    Raises:
        CorpusError: an image file is gone or has changed.
    """
    chosen = survey.images[:: max(1, -(-len(survey.images) // _SAMPLE))]
    parts = []
    for i in chosen:
        image = survey.corpus.images[i]
        pixels = read_reduced(survey.corpus, image, image.size.fit(_SIDE)).reshape(-1, 3)
        parts.append(pixels[pixels.any(axis=1)])
    pixels = np.concatenate(parts)
    return ColorStatistics.of(pixels if len(pixels) else np.zeros((1, 3), np.uint8))


def write_recolored(corpus: Corpus, image: Image, table: Rgb, folder: Path) -> Path:
    """An image of a corpus by a table of colors, under its id: a PNG, or a GeoTIFF where it is a raster.

    Of a mosaic some windows are held at a time.

    Raises:
        CorpusError: the image file is gone or has changed.
        MachineError: it cannot be written.
    """
    with open_original(corpus, image) as read:

        def colored(box: Box) -> Pixels:
            pixels = read(box)
            return replace(pixels, rgb=recolored(pixels.rgb, table))

        return write_like(image, files.inside(folder, image.id), image.size, image.geo, colored)


def shifted_model(run_a: RunDir, model: RunDir, settings: pipeline.Settings, shift: npt.NDArray[np.float32]) -> None:
    """Head and clusters of a run in a directory of their own, the head's mean moved by the shift of the features.

    A head takes its mean away first, so that moving it takes the shift away from every patch.
    """
    pipeline.keep_classes(model, settings, run_a)
    record = run_a.manifest().stages[train.NAME]
    tensors, meta = load_tensors(run_a.path(train.ARTEFACT) / HEAD)
    tensors["mean"] = tensors["mean"] + tensors["mean"].new_tensor(shift.tolist())
    with model.lock():
        with model.writing(train.ARTEFACT) as out:
            save_tensors(out / HEAD, tensors, meta)
        moved = files.digest([record.artefact, np.asarray(shift, np.float32).tobytes().hex()])
        listed = checksums.checksum(model.root / train.ARTEFACT)
        model.record(train.NAME, record.model_copy(update={"artefact": moved, "checksum": listed}))
        grouped = run_a.manifest().stages[cluster.NAME]
        found = {**grouped.parts, **found_on(cluster, run_a)}
        model.record(cluster.NAME, grouped.model_copy(update={"parts": found}))
