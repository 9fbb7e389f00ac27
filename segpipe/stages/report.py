"""Report: one HTML page on which a person can judge the run.

Reads  corpus/    the images, and the files put aside
       features/  patch features of a bounded number of crops
       head/      the head, and how its training went
       clusters/  the centers of the classes
       masks/     pixel counts of all images, class maps of a few
       scores/    where they exist
Writes report/    index.html, which needs no other file
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base import files, parallel
from segpipe.base.config import Section, setting
from segpipe.base.geometry import Box
from segpipe.base.runtime import Runtime
from segpipe.data.originals import ReadBox, open_original, read_reduced
from segpipe.ops import gallery
from segpipe.parts.coding import encode, open_head
from segpipe.plots import page, panels, training
from segpipe.plots.compose import Findings, Judged, compose
from segpipe.plots.overlay import overlay
from segpipe.records.candidates import Candidate
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus
from segpipe.records.gallery import Cover, Patch
from segpipe.records.labels import class_colors
from segpipe.records.manifest import Manifest
from segpipe.records.scores import Scores
from segpipe.store import journal, masks, scores
from segpipe.store.candidates import load_candidates
from segpipe.store.clusters import load_clusters
from segpipe.store.corpus import load_corpus, load_rejected
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir

NAME = "report"
ARTEFACT = "report"
NEEDS = ("index", "extract", "mine", "train", "cluster", "refine")
WANTS = ("evaluate", "export")
FORMAT = 1

_ORDER = (*NEEDS, "export", "evaluate")
_CROPS = 600
"""Most crops whose patches are looked at, whatever the size of the corpus."""
_SHOWN = 420
"""Longest side of an image beside its class map, pixels."""
_CARDS, _COVERS, _VIEWS = 64, 3, 6
"""Most classes in the gallery, images per class, crops shown as features."""


class Config(Section):
    """Settings of `report`."""

    images: int = setting(12, "images shown beside their class maps", ge=1, le=120)
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


@dataclass(frozen=True, slots=True)
class Inputs:
    """The artefacts, opened."""

    corpus: Corpus
    features: FeatureStore
    encode: Callable[[npt.NDArray[np.floating], npt.NDArray[np.bool_]], npt.NDArray[np.float32]]
    """A crop's features (rows, cols, d), and which patches are valid, to what clusters are compared with."""
    clusters: ClusterModel
    masks: Path
    index: Sequence[Mapping[str, Any]]
    """Pixel counts per image, in the order of the corpus."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What looking at the patches of a bounded number of crops has shown."""

    crops: int
    best: Sequence[Sequence[Patch]]
    """Per class."""
    fit: Mapping[int, float]
    """For each image looked at the mean cosine of its patches to their class centers."""
    feature_axes: gallery.ColorAxes
    code_axes: gallery.ColorAxes


@dataclass(slots=True)
class Wanted:
    """What to draw of one image."""

    overlay: bool = False
    patches: list[Patch] = field(default_factory=list)
    covers: list[int] = field(default_factory=list)
    """Classes to point out."""
    crops: list[int] = field(default_factory=list)
    """Crops to show as features."""


def survey(inputs: Inputs, crops: Iterable[tuple[int, int]], *, keep: int, per_crop: int, seed: int) -> Survey:
    """Look at crops (image, crop) one by one; memory does not grow with their size or number.

    Args:
        inputs: the run.
        crops: which ones.
        keep: patches kept per class.
        per_crop: patches of each crop that decide on the colours of features.
        seed: of the choice of these.
    """
    rng = np.random.default_rng(seed)
    best = gallery.BestPatches(inputs.clusters.clusters, keep, inputs.corpus.scenes)
    cosines_of, features_seen, codes_seen = defaultdict[int, list[float]](list), [], []
    count = 0
    for image, crop in crops:
        patches, valid = inputs.features.patches(crop), inputs.features.valid(crop)
        valid = valid if valid.any() else ~valid  # an image of nothing but no data: better shown than left out
        found = inputs.encode(patches, inputs.features.valid(crop))
        labels, cosines = gallery.assign(found, inputs.clusters.centers, inputs.clusters.members)
        best.add(labels, cosines, valid, image=image, crop=crop)
        places = np.argwhere(valid)
        cosines_of[image].append(float(cosines[valid].mean()))
        rows, cols = places[rng.permutation(len(places))[:per_crop]].T
        features_seen.append(np.asarray(patches[rows, cols], np.float32))
        codes_seen.append(found[rows, cols])
        count += 1
    axes = [gallery.color_axes(np.concatenate(seen)) for seen in (features_seen, codes_seen)]
    return Survey(count, best.best(), {image: float(np.mean(c)) for image, c in cosines_of.items()}, *axes)


def draw_image(inputs: Inputs, found: Survey, image: int, wanted: Wanted, *, small: int) -> page.Drawn:
    """Draw all that is wanted of one image: a photograph is read once, of a mosaic what is shown.

    Args:
        inputs: the run.
        found: how features become colours.
        image: index of the image.
        wanted: what to draw.
        small: longest side of the pictures that point out a class, in pixels.
    """
    corpus, drawn = inputs.corpus, page.Drawn()
    shown, colors = corpus.images[image], class_colors(inputs.clusters.clusters)
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
            whole = corpus.crops[patch.crop].box
            part = inputs.features.header.grid(whole.size).patch_box(patch.row, patch.col)
            box = Box(whole.top + part.top, whole.left + part.left, part.height, part.width)
            around = panels.surroundings(box, shown.size)
            drawn.patches[patch] = panels.photo(panels.around(read(around).rgb, box.within(around), side=104))
        for crop in wanted.crops:
            drawn.views[crop] = view_features(inputs, found, crop, read(corpus.crops[crop].box).rgb)
    return drawn


def _small_pictures(
    inputs: Inputs, image: int, read: ReadBox, *, side: int
) -> tuple[npt.NDArray[np.uint8], masks.Mask]:
    """An image and its class map: a photograph whole, a mosaic scaled down to at most `side` pixels."""
    shown, entry = inputs.corpus.images[image], inputs.index[image]
    if shown.mosaic:
        size = shown.size.fit(side)
        return read_reduced(inputs.corpus, shown, size), masks.read_reduced(inputs.masks, entry, size)
    return read(Box(0, 0, shown.size.height, shown.size.width)).rgb, masks.read_part(inputs.masks, entry)


def view_features(inputs: Inputs, found: Survey, crop: int, rgb: npt.NDArray[np.uint8]) -> page.FeatureView:
    """A crop `rgb` (h, w, 3), its features and its codes as colours."""
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


def open_inputs(run_dir: RunDir) -> Inputs:
    """Open what the page is made of."""
    corpus = load_corpus(run_dir.path("corpus"))
    head = open_head(run_dir.path("head"))
    clusters = load_clusters(run_dir.path("clusters") / "clusters.npz")
    return Inputs(
        corpus=corpus,
        features=FeatureStore(run_dir.path("features")),
        encode=partial(encode, head, clusters),
        clusters=clusters,
        masks=run_dir.path("masks"),
        index=masks.load_index(run_dir.path("masks")),
    )


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


def training_plots(head: Path, made: Sequence[Candidate]) -> list[page.Plot]:
    """The figures of the training, as far as it kept records; none where nothing was trained."""
    shifts = next((found.shifts for found in made if found.chosen), {})
    if made and not any(found.chosen and found.steps for found in made):
        return []
    return [
        *training.history_plots(journal.load_history(head)),
        *training.histogram_plots(*journal.load_histograms(head), shifts),
    ]


def choose_images(inputs: Inputs, found: Survey, judged: Judged | None, *, count: int) -> dict[str, dict[int, float]]:
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
    wide: Mapping[int, Sequence[Cover]],
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


def draw(inputs: Inputs, found: Survey, wanted: Mapping[int, Wanted], *, small: int, runtime: Runtime) -> page.Drawn:
    """Draw all pictures; every image is read once, and few at a time are in memory."""
    drawn = page.Drawn()
    one = partial(draw_image, inputs, found, small=small)
    parts = parallel.thread_map(lambda item: one(*item), wanted.items(), workers=min(4, runtime.workers), ahead=4)
    for part in runtime.track(parts, total=len(wanted), unit="images"):
        drawn.update(part)
    return drawn


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Look at the run, draw, and write the page."""
    inputs, manifest = open_inputs(run_dir), run_dir.manifest()
    made = load_candidates(run_dir.path("head"))
    corpus, classes = inputs.corpus, inputs.clusters.clusters
    judged, outdated = open_scores(run_dir, manifest)
    wide = gallery.widest(inputs.index, classes=classes, keep=_COVERS)
    crops = gallery.choose_crops(
        [[cover.image for cover in covers] for covers in wide],
        corpus.crops_of,
        count=_CROPS,
        seed=config.seed,
        mosaics=[i for i, image in enumerate(corpus.images) if image.mosaic],
    )
    tracked = runtime.track(crops, total=len(crops), unit="crops")
    found = survey(inputs, tracked, keep=config.patches, per_crop=max(8, 4096 // len(crops)), seed=config.seed)
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
                classes=classes,
                index=inputs.index,
                pixels=pixels,
                holding=holding,
                manifest=manifest,
                stages=_ORDER,
                judged=judged,
                outdated=outdated,
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
