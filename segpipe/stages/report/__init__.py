"""Report: one HTML page on which a person can judge the run.

Reads  corpus/    the images, and the files skipped
       features/  patch features of a bounded number of crops
       head/      the head, and how its training went
       clusters/  the centers of the classes
       masks/     pixel counts of all images, class maps of a few
       scores/, cover/  where they exist
       classes.yaml  what the clusters are called, where a person said so
Writes report/    index.html, which needs no other file
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base import files, parallel
from segpipe.base.config import Section, setting
from segpipe.base.geometry import Box
from segpipe.base.runtime import Runtime
from segpipe.images.corpus_reader import ReadBox, open_original, read_reduced
from segpipe.inference.class_gallery import CROPS, GalleryInputs, Survey, open_inputs, survey
from segpipe.ops import gallery
from segpipe.ops.maps.certainty import label_next
from segpipe.plots import html as page
from segpipe.plots import thumbnails as panels
from segpipe.plots.overlay import overlay
from segpipe.records.candidates import Candidate
from segpipe.records.cover import Cover
from segpipe.records.gallery import Patch, TopImage
from segpipe.records.legend import Legend
from segpipe.records.manifest import Manifest
from segpipe.records.scores import Scores
from segpipe.stages.report import training
from segpipe.stages.report.build import Certainty, Findings, Judged, compose
from segpipe.store import masks, scores
from segpipe.store import training_log as journal
from segpipe.store.candidates import load_candidates
from segpipe.store.certainty import has_certainty, sum_certainty
from segpipe.store.class_names import CLASSES
from segpipe.store.corpus import load_rejected
from segpipe.store.cover import load_cover
from segpipe.store.run_dir import RunDir

NAME = "report"
ARTEFACT = "report"
NEEDS = ("index", "extract", "mine", "train", "cluster", "refine")
OPTIONAL_INPUTS = ("evaluate", "export", "cover")
USER_FILES = (CLASSES,)
FORMAT = 2

_ORDER = (*NEEDS, "export", "evaluate", "cover")
_SHOWN = 420
"""Longest side of an image beside its class map, pixels."""
_CARDS, _COVERS, _VIEWS = 64, 3, 6
"""Most classes in the gallery, images per class, crops shown as features."""


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
    """Crops whose patches were looked at."""
    scored: bool
    """Whether the page holds scores."""
    bytes: int
    """Size of the page."""


@dataclass(slots=True)
class Wanted:
    """What to draw of one image."""

    overlay: bool = False
    patches: list[Patch] = field(default_factory=list)
    covers: list[int] = field(default_factory=list)
    """Classes to point out."""
    crops: list[int] = field(default_factory=list)
    """Crops to show as features."""


def draw_image(inputs: GalleryInputs, found: Survey, image: int, wanted: Wanted, *, small: int) -> page.Drawn:
    """Draw all that is wanted of one image: a photograph is read once, of a mosaic what is shown.

    Args:
        inputs: the run.
        found: how features become colors.
        image: index of the image.
        wanted: what to draw.
        small: longest side of the pictures that point out a class, in pixels.
    """
    corpus, drawn = inputs.corpus, page.Drawn()
    shown, colors = corpus.images[image], inputs.legend.colors
    with open_original(corpus, shown) as read:
        if wanted.overlay or wanted.covers:
            rgb, mask = _small_pictures(inputs, image, read, side=_SHOWN)
        if wanted.overlay:
            photo, classes = panels.shrink(rgb, _SHOWN), panels.shrink_mask(mask, _SHOWN)
            painted = overlay(photo, classes, colors, opacity=0.55)
            drawn.overlays[image] = panels.photo(photo), panels.photo(painted)
        for label in wanted.covers:
            inside = panels.shrink_mask(mask, small) == label
            picture = panels.highlight(panels.shrink(rgb, small), inside, colors[label])
            drawn.covers[image, label] = panels.photo(picture)
        for patch in wanted.patches:
            box = inputs.box(patch)
            around = panels.surroundings(box, shown.size)
            drawn.patches[patch] = panels.photo(panels.around(read(around).rgb, box.within(around), side=104))
        for crop in wanted.crops:
            drawn.views[crop] = view_features(inputs, found, crop, read(corpus.crops[crop].box).rgb)
    return drawn


def _small_pictures(
    inputs: GalleryInputs, image: int, read: ReadBox, *, side: int
) -> tuple[npt.NDArray[np.uint8], masks.Mask]:
    """An image and its class map: a photograph whole, a mosaic scaled down to at most `side` pixels."""
    shown, entry = inputs.corpus.images[image], inputs.index[image]
    if shown.mosaic:
        size = shown.size.fit(side)
        mask = masks.read_reduced(inputs.masks, entry, size)
        return read_reduced(inputs.corpus, shown, size), inputs.legend.read(mask)
    whole = Box(0, 0, shown.size.height, shown.size.width)
    return read(whole).rgb, inputs.legend.read(masks.read_part(inputs.masks, entry))


def view_features(inputs: GalleryInputs, found: Survey, crop: int, rgb: npt.NDArray[np.uint8]) -> page.FeatureView:
    """A crop `rgb` (h, w, 3), its features and its codes as colors."""
    box = inputs.corpus.crops[crop].box
    grid = inputs.features.header.grid(box.size)
    patches = inputs.features.patches(crop)
    projected = inputs.encode(patches, inputs.features.valid(crop))
    features, coded = (
        panels.drawing(panels.shrink(panels.blocks(colors, patch=grid.patch, content=grid.content), 320))
        for colors in (found.feature_axes.paint(patches), found.code_axes.paint(projected))
    )
    photo = panels.photo(panels.shrink(rgb, 320))
    return page.FeatureView(inputs.corpus.images[inputs.corpus.crops[crop].image].id, photo, features, coded)


def open_scores(run_dir: RunDir, manifest: Manifest) -> tuple[Judged | None, bool]:
    """The scores, and whether there are some that are out of date."""
    if not run_dir.has("scores"):
        return None, False
    record = manifest.stages.get("evaluate")
    inputs = record.parts.get("inputs", {}) if record else {}
    if any(name in manifest.stages and manifest.stages[name].artefact != key for name, key in inputs.items()):
        return None, True
    path = run_dir.path("scores")
    found = Scores.model_validate(scores.load_scores(path))
    return Judged(found, scores.load_image_scores(path), *scores.load_confusion(path)), False


def open_cover(run_dir: RunDir, manifest: Manifest, legend: Legend) -> tuple[Cover | None, bool]:
    """The cover, and whether there is one of other masks or of other classes."""
    if not run_dir.has("cover"):
        return None, False
    found = load_cover(run_dir.path("cover"))
    inputs = manifest.stages["cover"].parts.get("inputs", {}) if "cover" in manifest.stages else {}
    stale = any(name in manifest.stages and manifest.stages[name].artefact != key for name, key in inputs.items())
    return (None, True) if stale or found.legend != legend.fingerprint else (found, False)


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


def training_plots(head: Path, made: Sequence[Candidate]) -> list[page.Plot]:
    """The figures of the training, as far as it kept records; none where nothing was trained."""
    shifts = next((found.shifts for found in made if found.chosen), {})
    if made and not any(found.chosen and found.steps for found in made):
        return []
    return [
        *training.history_plots(journal.load_history(head)),
        *training.histogram_plots(*journal.load_histograms(head), shifts),
    ]


def choose_images(
    inputs: GalleryInputs, found: Survey, judged: Judged | None, *, count: int
) -> dict[str, dict[int, float]]:
    """Choose images to show: group to image to accuracy or, without labels, fit."""
    if judged is not None and judged.ranks:
        places = {image.id: i for i, image in enumerate(inputs.corpus.images)}
        values = {places[score.id]: score.accuracy for score in judged.images if score.id in places}
    else:
        values = dict(found.fit)
    images = list(values)
    groups = gallery.along_scale(np.array(list(values.values())), count)
    return {name: {images[i]: values[images[i]] for i in group} for name, group in groups.items()}


def plan_drawing(
    crops_of: Sequence[range],
    shown: Sequence[int],
    best: Mapping[int, Sequence[Patch]],
    wide: Mapping[int, Sequence[TopImage]],
) -> dict[int, Wanted]:
    """What to draw of which image, in the order of the corpus.

    Args:
        crops_of: for each image the range of its crops.
        shown: images to show beside their class maps; some of them also as features.
        best: patches per class.
        wide: images per class.
    """
    wanted = defaultdict[int, Wanted](Wanted)
    for image in shown:
        wanted[image].overlay = True
    for place in np.unique(np.linspace(0, len(shown) - 1, min(_VIEWS, len(shown))).round().astype(int)).tolist():
        wanted[shown[place]].crops.append(crops_of[shown[place]][0])
    for label, covers in wide.items():
        for cover in covers:
            wanted[cover.image].covers.append(label)
    for patches in best.values():
        for patch in patches:
            wanted[patch.image].patches.append(patch)
    return dict(sorted(wanted.items()))


def draw(
    inputs: GalleryInputs, found: Survey, wanted: Mapping[int, Wanted], *, small: int, runtime: Runtime
) -> page.Drawn:
    """Draw all pictures; every image is read once, and few at a time are in memory."""
    drawn = page.Drawn()
    one = partial(draw_image, inputs, found, small=small)
    parts = parallel.thread_map(lambda item: one(*item), wanted.items(), workers=min(4, runtime.workers), ahead=4)
    for part in runtime.track(parts, total=len(wanted), unit="images"):
        drawn.update(part)
    return drawn


def survey_some(config: Config, inputs: GalleryInputs, wide: Sequence[Sequence[TopImage]], runtime: Runtime) -> Survey:
    """Look at the patches of a bounded number of crops, those of the images that show a class most among them."""
    crops = gallery.choose_crops(
        [[cover.image for cover in covers] for covers in wide],
        inputs.corpus.crops_of,
        count=CROPS,
        seed=config.seed,
        mosaics=[i for i, image in enumerate(inputs.corpus.images) if image.mosaic],
    )
    tracked = runtime.track(crops, total=len(crops), unit="crops")
    return survey(inputs, tracked, keep=config.patches, per_crop=max(8, 4096 // len(crops)), seed=config.seed)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Look at the run, draw, and write the page."""
    inputs, manifest = open_inputs(run_dir), run_dir.manifest()
    made = load_candidates(run_dir.path("head"))
    corpus, classes = inputs.corpus, inputs.legend.classes
    judged, outdated = open_scores(run_dir, manifest)
    cover, stale = open_cover(run_dir, manifest, inputs.legend)
    wide = gallery.widest(inputs.index, classes=classes, keep=_COVERS)
    found = survey_some(config, inputs, wide, runtime)
    groups = choose_images(inputs, found, judged, count=config.images)
    pixels, holding = masks.count_pixels(inputs.index, classes=classes)
    cards = [k for k in np.argsort(-pixels, kind="stable").tolist() if pixels[k]][:_CARDS]
    best, covers = {k: found.best[k] for k in cards}, {k: wide[k] for k in cards}
    wanted = plan_drawing(corpus.crops_of, [image for group in groups.values() for image in group], best, covers)
    html = page.render(
        compose(
            Findings(
                title=config.title or run_dir.root.resolve().name,
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
                judged=judged,
                outdated=outdated,
                cover=cover,
                certainty=open_certainty(run_dir, inputs.legend, count=config.images),
                stale_cover=stale,
                crops=found.crops,
                fit=found.fit,
                groups=groups,
                best=best,
                widest=covers,
                drawn=draw(inputs, found, wanted, small=200 if len(cards) <= 24 else 140, runtime=runtime),
                training=training_plots(run_dir.path("head"), made),
                candidates=made,
            )
        )
    )
    with run_dir.writing(ARTEFACT) as out:
        files.write_text(out / "index.html", html)
    images = sum(map(len, groups.values()))
    return Summary(images=images, crops=found.crops, scored=judged is not None, bytes=len(html.encode()))
