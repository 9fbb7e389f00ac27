"""Evaluate: how well the masks, the codes and the k-means baseline agree with a few labelled images.

Reads  the user's labels (a folder of index images, a CSV of points, or a published set)
       corpus/ features/ head/ clusters/ masks/
Writes scores/  scores.json, a line per image, the confusion matrix
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel

from segpipe.base.config import AbsolutePath, Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Runtime
from segpipe.images.datasets import FOLDER, known_layout
from segpipe.inference.codes import open_head
from segpipe.inference.encoder import reopen_encoder
from segpipe.inference.patch_sampler import open_sample
from segpipe.labels.counting import PointOnMap, points_on_map
from segpipe.labels.ground_truth import Truth, label_files, layout_samples, read_layout, read_truth
from segpipe.labels.point_labels import Points
from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.metrics.cluster_scores import score_images
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus
from segpipe.records.point_rules import PointRules, PointsIn, without_later
from segpipe.records.scores import LabelCounts, PointScore, Scores, Unmatched, counts_absent
from segpipe.stages.evaluate import full_resolution as whole
from segpipe.stages.evaluate import scoring
from segpipe.stages.evaluate import stego_protocol as published
from segpipe.stages.evaluate.baseline import fit_baseline
from segpipe.stages.evaluate.held_out import without_steering
from segpipe.stages.evaluate.video_scores import score_films
from segpipe.store.clusters import open_clusters
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.guide import open_guide
from segpipe.store.masks import load_header
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import save_counts, save_points, save_scores

NAME = "evaluate"
ARTEFACT = "scores"
NEEDS = ("index", "extract", "train", "cluster", "refine")
FORMAT = 2
FILES = {
    "scores.json": (
        "accuracy and mIoU with 95% intervals, IoU of each class, many-to-one scores, probes, the k-means "
        "baseline, the protocol; of films J, F, VC8 and VC16"
    ),
    "images.jsonl": "an image a line: `id`, `labelled_pixels`, `accuracy`, `miou`",
    "points.csv": (
        "with points: image, row, column, label, cluster, and label matched with it, of each; whether these are one"
    ),
    "confusion.csv": "labelled pixels by label (rows) and cluster (columns)",
    "counts.npz": "the same by image; the scores of the map as named are made of it",
}

log = logging.getLogger(__name__)

_PROBE_VECTORS = 20_000  # of all images: keeps the probes at seconds
_SECONDS_PER_MEGAPIXEL = 8.0  # of one worker, nearly all of it the CRF; a rough guess, pictures differ by 5 times
_PUBLISHED_RULES = 2  # 2: classes in no label count, and the CRF sees BGR
_SECONDS_PER_CROP = 2.0  # of one worker, under the published protocol


class Config(Section):
    """Settings of `evaluate`."""

    labels: AbsolutePath | None = setting(
        None,
        "folder of index images, CSV of points, or folder of a published set; null = nothing to evaluate",
        flags=("--labels", "--points"),
        metavar="DIR|CSV",
    )
    classes: AbsolutePath | None = setting(
        None, "text file of class names, one per line in index order", flags=("--classes",), metavar="FILE"
    )
    skip_outside: bool = setting(
        False, "leave out points that lie outside their image, and say how many", flags=("--skip-outside",)
    )
    points_in: PointsIn = setting(
        "auto",
        "picture that rows and columns of points count in where EXIF turns it: displayed, or stored as in CoralNet",
    )
    layout: Annotated[str, AfterValidator(known_layout)] = setting(
        FOLDER, "how the labels' folder is laid out: folder (any), or a published set such as cityscapes27"
    )
    split: str = setting("", "the images of a published set to judge, such as val (where layout is not folder)")
    protocol: Literal["whole", "published"] = setting(
        "whole", "judge whole images at their own size, or STEGO's middle crops of 320 x 320, also outside the run"
    )
    probe_pixels: int = setting(
        256, "labelled pixels drawn per image for the probes (of points: all)", ge=1, le=1_000_000
    )
    folds: int = setting(5, "folds of the probes' cross-validation by image", ge=2, le=1000)
    n_resamples: int = setting(
        1000, "bootstrap resamples of the images behind each 95% interval", ge=20, le=1_000_000, was=("bootstrap",)
    )
    baseline_dim: int = setting(64, "principal components that the k-means baseline clusters; 0 = whole features", ge=0)
    baseline_patches: int = setting(1_000_000, "most patches that the baseline clusters", ge=1)
    seed: int = setting(0, "seed of the probes' pixels and folds, of the baseline and of the bootstrap", ge=0)

    def identity(self) -> dict[str, Any]:
        """As of `Section`; scores that earlier versions made by the published protocol are made again."""
        return without_later(super().identity()) | ({"rules": _PUBLISHED_RULES} if self.protocol == "published" else {})


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    protocol: str
    images: int
    labelled_pixels: int
    classes: int
    accuracy: float | None
    miou: float | None
    many_to_one_accuracy: float | None
    baseline_accuracy: float | None
    baseline_miou: float | None
    linear_probe_accuracy: float | None
    """On the codes."""
    unmatched_labels: int
    """Labels that belong to no image."""
    absent_classes: list[str]
    """Named, but in no label; left out of the means (by `published`: 0 where a cluster is matched to them)."""
    guided: str | None = None
    """By how many labelled points the classes were steered; None: no label took part in making them."""


def input_files(config: Config) -> list[Path]:
    """The user's label files, the file of class names, and the images that need not belong to the run."""
    if config.labels is None:
        return []
    if config.layout == FOLDER:
        _refuse_split(config)
        return label_files(config.labels, config.classes, names=(f"{NAME}.labels", f"{NAME}.classes"))
    samples = layout_samples(config.labels, config.classes, layout=config.layout, split=config.split)
    found = [config.labels / sample.label for sample in samples]
    return [*found, *(config.labels / s.image for s in samples)] if config.protocol == "published" else found


def _refuse_split(config: Config) -> None:
    if config.split:
        raise UsageError(
            f"evaluate.split={config.split}: a plain folder has no splits; set evaluate.layout, or leave it out"
        )


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What either protocol gives to score."""

    evidence: scoring.Evidence
    classes: tuple[str, ...]
    names: list[str]
    """Ids of the images, in the order of the evidence."""
    unmatched: list[str]
    """Labels that belong to no image."""
    empty: int
    drawn: int
    """Labelled pixels drawn of each image, at most."""
    truth: Truth | None = None
    """The labels, where they were judged pixel by pixel of the run's masks."""
    steered: int = 0
    """Labelled images left out because they steered the classes."""

    def counted(self, config: Config) -> LabelCounts:
        """The labelled pixels by cluster."""
        counts, together = self.evidence.masks, self.evidence.together
        each = np.arange(counts.images) if together is None else together
        return LabelCounts(counts, each, config.n_resamples, config.seed)


def quota(images: int, config: Config, *, points: bool) -> int:
    """Labelled pixels to draw of each image for the probes."""
    most = max(1, _PROBE_VECTORS // max(1, images))
    return most if points else min(most, config.probe_pixels)


def read_labels(config: Config, corpus: Corpus, runtime: Runtime) -> Truth:
    """Find and check the labels of the run's images.

    Raises:
        UsageError: a label file or setting is wrong.
        CorpusError: no label belongs to an image.
    """
    assert config.labels is not None
    if config.layout == FOLDER:
        _refuse_split(config)
        return read_truth(config.labels, config.classes, corpus, runtime, point_rules(config))
    samples = layout_samples(config.labels, config.classes, layout=config.layout, split=config.split)
    return read_layout(config.labels, samples, corpus, runtime, layout=config.layout)


def point_rules(config: Config) -> PointRules:
    """How points are read."""
    return PointRules(config.skip_outside, config.points_in, f"{NAME}.skip_outside")


def baseline_of(config: Config, run_dir: RunDir, runtime: Runtime) -> ClusterModel:
    """The baseline with as many clusters as the run has classes."""
    store = FeatureStore(run_dir.path("features"))
    sample = open_sample(store, most=config.baseline_patches, seed=config.seed, track=runtime.track)
    k = open_clusters(run_dir).clusters
    return fit_baseline(sample, k=k, components=config.baseline_dim, seed=config.seed, runtime=runtime)


def evaluate_whole(config: Config, corpus: Corpus, head: Any, run_dir: RunDir, runtime: Runtime) -> Evaluated:
    """Judge the run's masks at their own size."""
    truth, left_out = without_steering(read_labels(config, corpus, runtime), corpus, open_guide(run_dir))
    points = any(isinstance(source, Points) for source in truth.sources.values())
    drawn = quota(len(truth.sources), config, points=points)
    baseline = baseline_of(config, run_dir, runtime)
    setup, tasks = whole.plan(truth, corpus, baseline, run_dir, quota=drawn, seed=config.seed)
    gathered = whole.gather(tasks, setup, head, runtime)
    shots = corpus.shots  # frames that follow each other are neither drawn nor tested apart
    together = shots[[task.index for task in tasks]]
    evidence = replace(gathered, images=shots[gathered.images], together=together)
    names = [task.image.id for task in tasks]
    return Evaluated(evidence, truth.classes, names, list(truth.unmatched), truth.empty, drawn, truth, left_out)


def evaluate_published(config: Config, corpus: Corpus, head: Any, run_dir: RunDir, runtime: Runtime) -> Evaluated:
    """Judge the middle crops of a set's split, or of the run's labelled images, as STEGO did."""
    assert config.labels is not None
    if corpus.channels:
        raise UsageError(
            f"{named('evaluate.protocol', 'published')}: the published sets are photographs, and this run looks at "
            f"{', '.join(corpus.channels)}; give {named('evaluate.protocol', 'whole')}"
        )
    unmatched, empty, left_out = list[str](), 0, 0
    guide = open_guide(run_dir)
    if config.layout == FOLDER:
        truth, left_out = without_steering(read_labels(config, corpus, runtime), corpus, guide)
        cases, classes = published.cases_of_run(corpus, truth), truth.classes
        unmatched, empty = list(truth.unmatched), truth.empty
    else:
        if guide is not None:
            raise UsageError(
                f"{named('evaluate.protocol', 'published')}: the classes are {guide.told}, and images outside the run "
                f"cannot be told from those; give {named('evaluate.protocol', 'whole')}"
            )
        samples = layout_samples(config.labels, config.classes, layout=config.layout, split=config.split)
        cases = published.cases_of_set(config.labels, samples, layout=config.layout)
        classes = published.classes_of(config.layout)
    features = run_dir.path("features")
    crf = load_header(run_dir.path("masks"))["crf"]
    encoder = reopen_encoder(FeatureStore(features).header, features, runtime)
    setup = published.plan(
        encoder.patch,
        open_clusters(run_dir),
        baseline_of(config, run_dir, runtime),
        None if crf is None else Crf(**crf),
        classes=len(classes),
    )
    drawn = quota(len(cases), config, points=False)
    found = published.gather(cases, setup, encoder, head.to(runtime.device), runtime, quota=drawn, seed=config.seed)
    unmatched += found.unmatched
    return Evaluated(found.evidence, classes, list(found.names), unmatched, empty + found.empty, drawn, None, left_out)


def summarize(scores: Scores) -> Summary:
    """The main numbers."""
    return Summary(
        protocol=scores.protocol_name,
        images=scores.images,
        labelled_pixels=scores.labelled_pixels,
        classes=len(scores.classes),
        accuracy=scores.unsupervised.accuracy,
        miou=scores.unsupervised.miou,
        many_to_one_accuracy=scores.many_to_one.accuracy,
        baseline_accuracy=scores.baseline_kmeans.accuracy,
        baseline_miou=scores.baseline_kmeans.miou,
        linear_probe_accuracy=scores.linear_probe.codes.accuracy,
        unmatched_labels=scores.unmatched.labels,
        absent_classes=scores.unmatched.absent_classes,
        guided=scores.guided,
    )


def judge_point(point: PointOnMap, corpus: Corpus, scores: Scores) -> PointScore:
    """A labelled point beside the label that its cluster was matched with, one to one."""
    label, matching = scores.classes[point.label], scores.unsupervised.matching
    matched = matching.get(str(point.cluster))
    image = corpus.images[point.image].id
    return PointScore(image, point.row, point.column, label, point.cluster, matched, matched == label)


def _tell(unmatched: Unmatched, protocol: str) -> None:
    if unmatched.labels:
        log.warning("%d labels fit no image, such as %s", unmatched.labels, unmatched.examples[0])
    if unmatched.empty:
        log.warning("%d label files or images hold nothing but ignored pixels", unmatched.empty)
    if unmatched.absent_classes:
        how = "0 in mIoU where a cluster is matched to them" if counts_absent(protocol) else "left out of mIoU"
        log.warning("classes in no label, %s: %s", how, ", ".join(unmatched.absent_classes))


def cost(config: Config, work: Work) -> Cost:
    """What `--dry-run` expects."""
    if config.labels is None:
        return Cost(0, 0)
    files = len(input_files(config)) if config.labels.is_dir() else work.images
    if config.protocol == "published":
        images = files // 2 if config.layout != FOLDER else min(files, work.images)
        return Cost(10 + _SECONDS_PER_CROP * images / work.workers, 20_000 + 100 * images)
    share = min(files, work.images) / max(work.images, 1)
    return Cost(10 + _SECONDS_PER_MEGAPIXEL * share * work.megapixels / work.workers, 20_000 + 100 * files)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Score the run against the labels.

    Raises:
        UsageError: no labels are given, a label file or setting is wrong, or all labelled images steered the classes.
        CorpusError: no label belongs to an image.
    """
    if config.labels is None:
        raise UsageError("nothing to score; give --labels (a folder of index images, or a CSV of points)")
    corpus = load_corpus(run_dir.path("corpus"))
    head = open_head(run_dir.path("head"))
    evaluate = evaluate_published if config.protocol == "published" else evaluate_whole
    found = evaluate(config, corpus, head, run_dir, runtime)
    scores, images = scoring.score(
        found.evidence,
        found.classes,
        scoring.ScoreConfig(found.drawn, config.folds, config.n_resamples, config.seed, config.protocol),
        labels_without_image=found.unmatched,
        empty=found.empty,
    )
    guide = open_guide(run_dir)
    if guide is not None:
        scores = scores.model_copy(update={"guided": guide.told, "guide_images": found.steered})
        log.info("classes %s; judged by %d images that did not steer", guide.told, scores.images)
    if found.truth is not None:
        matching = scoring.matched_labels(scores)
        video = score_films(corpus, found.truth, run_dir.path("masks"), matching, runtime, seed=config.seed)
        scores = scores.model_copy(update={"video": video})
    with run_dir.writing("scores") as out:
        save_scores(scores, score_images(found.names, images), found.evidence.masks.total(), out)
        save_counts(found.counted(config), out)
        if found.truth is not None:
            masks, clusters = run_dir.path("masks"), found.evidence.masks.clusters
            points = points_on_map(found.truth, corpus, masks, clusters=clusters, workers=runtime.workers)
            save_points((judge_point(p, corpus, scores) for p in points), out)
    _tell(scores.unmatched, config.protocol)
    return summarize(scores)
