"""Report: one HTML page on which a person can judge the run.

Reads  corpus/    the images, and the skipped files
       features/  patch features of a bounded number of crops
       head/      the head, and how its training went
       clusters/  the centers of the classes
       masks/     pixel counts of all images, class maps of a few
       scores/, cover/  where they exist
       classes.yaml  what the clusters are called, where a person said so
Writes report/    index.html, which needs no other file; of films films.json and temporal profiles
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from segpipe.base import files
from segpipe.base.config import Section, setting
from segpipe.base.runtime import Runtime
from segpipe.inference.class_gallery import CROPS, GalleryInputs, Survey, open_inputs, survey
from segpipe.inference.named_scores import named_scores
from segpipe.ops import gallery
from segpipe.ops.maps.certainty import label_next
from segpipe.ops.metrics.cluster_scores import score_images
from segpipe.ops.metrics.majority import weak_matches
from segpipe.ops.metrics.matching import NO_CLASS
from segpipe.plots.html import Plot
from segpipe.plots.temporal_profile import profile_png
from segpipe.records.candidates import Candidate
from segpipe.records.cover import Cover
from segpipe.records.gallery import TopImage
from segpipe.records.legend import Legend
from segpipe.records.manifest import Manifest
from segpipe.records.scores import Scores
from segpipe.stages.report import training
from segpipe.stages.report.build import compose
from segpipe.stages.report.drawing import draw_all, plan_drawing
from segpipe.stages.report.films import FilmLook, look_at_films
from segpipe.stages.report.page import render
from segpipe.stages.report.report_data import Certainty, Evaluation, ReportData
from segpipe.store import masks, scores, training_log
from segpipe.store.candidates import load_candidates
from segpipe.store.certainty import has_certainty, sum_certainty
from segpipe.store.class_names import CLASSES
from segpipe.store.corpus import load_rejected
from segpipe.store.cover import load_cover
from segpipe.store.kept import told_of_kept
from segpipe.store.run_dir import RunDir

log = logging.getLogger(__name__)

NAME = "report"
ARTEFACT = "report"
NEEDS = ("index", "extract", "mine", "train", "cluster", "refine")
OPTIONAL_INPUTS = ("evaluate", "export", "cover")
USER_FILES = (CLASSES,)
FORMAT = 2
NOT_CONTENT = ("*",)
FILES = {
    "index.html": "the page; it needs no other file",
    "films.json": "of films: how many pixels keep their class along the optical flow, beside what chance keeps",
    "profile_*.png": "of the first 12 films: the middle column of every frame over time, as classes and as picture",
}

_ORDER = (*NEEDS, "export", "evaluate", "cover")
_CARDS, _TOP = 64, 3
"""Most classes in the gallery, images per class."""


class Config(Section):
    """Settings of `report`."""

    images: int = setting(12, "images shown beside their class maps, and images to label next listed", ge=1, le=120)
    patches: int = setting(8, "patches shown for each class", ge=1, le=32)
    seed: int = setting(0, "seed of the random choice of crops to look at, where a corpus holds more than 600", ge=0)
    title: str = setting("", "headline of the page; empty = the name of the run's directory")


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    images: int
    """Images shown beside their class maps."""
    crops: int
    """Crops whose patches were sampled."""
    scored: bool
    """Whether the page holds scores."""
    bytes: int
    """Size of the page."""


def open_scores(run_dir: RunDir, manifest: Manifest) -> tuple[Evaluation | None, bool]:
    """The scores, and whether there are some that are out of date."""
    if not run_dir.has("scores"):
        return None, False
    record = manifest.stages.get("evaluate")
    inputs = record.parts.get("inputs", {}) if record else {}
    if any(name in manifest.stages and manifest.stages[name].artefact != key for name, key in inputs.items()):
        return None, True
    path = run_dir.path("scores")
    images, (named, tallies) = scores.load_image_scores(path), named_scores(run_dir) or (None, None)
    if tallies is not None and len(tallies.tp) == len(images):  # a run of an earlier version kept no counts by image
        images = score_images([image.id for image in images], tallies)
    return Evaluation(_with_weak(scores.load_scores(path), path), images, *scores.load_confusion(path), named), False


def _with_weak(found: Scores, path: Path) -> Scores:
    """Scores that say which matches are weak; those of earlier versions do not."""
    if found.unsupervised.weak is not None:
        return found
    places = {name: i for i, name in enumerate(found.classes)}
    labels = [found.unsupervised.matching.get(str(k)) for k in range(len(found.unsupervised.matching))]
    matching = np.array([NO_CLASS if name is None else places.get(name, NO_CLASS) for name in labels], np.int64)
    known = scores.load_counts(path)
    weak = [str(k) for k in weak_matches(known.counts, matching, together=known.together)]
    return found.model_copy(update={"unsupervised": found.unsupervised.model_copy(update={"weak": weak})})


def open_cover(run_dir: RunDir, manifest: Manifest, legend: Legend) -> tuple[Cover | None, bool]:
    """The cover, and whether there is one of other masks or of other classes."""
    if not run_dir.has("cover"):
        return None, False
    found = load_cover(run_dir.path("cover"))
    inputs = manifest.stages["cover"].parts.get("inputs", {}) if "cover" in manifest.stages else {}
    stale = any(name in manifest.stages and manifest.stages[name].artefact != key for name, key in inputs.items())
    return (None, True) if stale or found.legend != legend.fingerprint else (found, False)


def tell_old(run_dir: RunDir, *, scores: bool, cover: bool) -> None:
    """Warn of what the page leaves out because it is older than the masks, or the cover than the names."""
    for old, what, command in (
        (scores, "scores are of earlier masks", "evaluate"),
        (cover, "cover is of earlier masks or names", "cover"),
    ):
        if old:
            said = what, command, run_dir.place
            log.warning("the %s and left out of the page; `segpipe %s %s`, then report again", *said)


def open_certainty(run_dir: RunDir, legend: Legend, *, count: int) -> Certainty | None:
    """How sure the masks are, and the `count` images to label next; None where they came without it."""
    index = masks.load_index(run_dir.path("masks"))
    if not has_certainty(index):
        return None
    margins, entropy, doubt = sum_certainty(index, legend)
    return Certainty(
        [float(value) if np.isfinite(value) else None for value in margins],
        {i: float(value) for i, value in enumerate(entropy)},
        label_next(entropy, doubt, count=count),
    )


def training_plots(head: Path, made: Sequence[Candidate]) -> list[Plot]:
    """The figures of the training, as far as it kept records; none where nothing was trained."""
    shifts = next((found.shifts for found in made if found.chosen), {})
    if made and not any(found.chosen and found.steps for found in made):
        return []
    return [
        *training.history_plots(training_log.load_history(head)),
        *training.histogram_plots(*training_log.load_histograms(head), shifts),
    ]


def choose_images(
    inputs: GalleryInputs, found: Survey, evaluation: Evaluation | None, *, count: int
) -> dict[str, dict[int, float]]:
    """Choose images to show: group to image to accuracy or, without labels, fit."""
    if evaluation is not None and evaluation.ranks:
        places = {image.id: i for i, image in enumerate(inputs.corpus.images)}
        values = {places[score.id]: score.accuracy for score in evaluation.images if score.id in places}
    else:
        values = dict(found.fit)
    images = list(values)
    groups = gallery.along_scale(np.array(list(values.values())), count)
    return {name: {images[i]: values[images[i]] for i in group} for name, group in groups.items()}


def survey_some(config: Config, inputs: GalleryInputs, top: Sequence[Sequence[TopImage]], runtime: Runtime) -> Survey:
    """Sample a bounded number of crops, those of the images that show a class most among them."""
    crops = gallery.choose_crops(
        [[each.image for each in images] for images in top],
        inputs.corpus.crops_of,
        count=CROPS,
        seed=config.seed,
        mosaics=[i for i, image in enumerate(inputs.corpus.images) if image.mosaic],
    )
    tracked = runtime.track(crops, total=len(crops), unit="crops")
    return survey(inputs, tracked, keep=config.patches, per_crop=max(8, 4096 // len(crops)), seed=config.seed)


def save_films(films: Sequence[FilmLook], legend: Legend, out: Path) -> None:
    """Write the profiles of films and films.json, where there are films."""
    names = ["" if film.profile is None else f"profile_{place}.png" for place, film in enumerate(films)]
    for film, name in zip(films, names, strict=True):
        if film.profile is not None:
            files.write_bytes(out / name, profile_png(film.profile, legend))
    if films:
        told = [film.told(name) for film, name in zip(films, names, strict=True)]
        files.write_json(out / "films.json", {"films": told})


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Look at the run, draw, and write the page."""
    inputs, manifest = open_inputs(run_dir), run_dir.manifest()
    made = load_candidates(run_dir.path("head"))
    corpus, classes = inputs.corpus, inputs.legend.classes
    evaluation, outdated = open_scores(run_dir, manifest)
    cover, stale = open_cover(run_dir, manifest, inputs.legend)
    tell_old(run_dir, scores=outdated, cover=stale)
    top = gallery.top_images(inputs.index, classes=classes, keep=_TOP)
    found = survey_some(config, inputs, top, runtime)
    groups = choose_images(inputs, found, evaluation, count=config.images)
    pixels, holding = masks.count_pixels(inputs.index, classes=classes)
    cards = [k for k in np.argsort(-pixels, kind="stable").tolist() if pixels[k]][:_CARDS]
    best, shown = {k: found.best[k] for k in cards}, {k: top[k] for k in cards}
    wanted = plan_drawing(corpus.crops_of, [image for group in groups.values() for image in group], best, shown)
    data = ReportData(
        title=config.title or run_dir.place.resolve().name,
        corpus=corpus,
        rejected=load_rejected(run_dir.path("corpus")),
        header=inputs.features.header,
        clusters=inputs.clusters.clusters,
        legend=inputs.legend,
        index=inputs.index,
        pixels=pixels,
        holding=holding,
        manifest=manifest,
        stages=_ORDER,
        evaluation=evaluation,
        outdated=outdated,
        cover=cover,
        certainty=open_certainty(run_dir, inputs.legend, count=config.images),
        stale_cover=stale,
        crops=found.crops,
        fit=found.fit,
        groups=groups,
        fixed=found.fixed,
        best=best,
        top_images=shown,
        pictures=draw_all(inputs, found, wanted, small=200 if len(cards) <= 24 else 140, runtime=runtime),
        training=training_plots(run_dir.path("head"), made),
        candidates=made,
        films=look_at_films(inputs, runtime),
        kept=told_of_kept(run_dir.root, manifest),
    )
    html = render(compose(data))
    with run_dir.writing(ARTEFACT) as out:
        files.write_text(out / "index.html", html)
        save_films(data.films, inputs.legend, out)
    images = sum(map(len, groups.values()))
    return Summary(images=images, crops=found.crops, scored=evaluation is not None, bytes=len(html.encode()))
