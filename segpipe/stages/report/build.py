"""From what was found in a run to the report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.plots.cover import cover_plot
from segpipe.plots.html import ClassCard, ClassLabel, Drawn, Group, Overlay, Page, Plot, ShareRow, Shot, percent
from segpipe.records import cover as records
from segpipe.records.candidates import Candidate
from segpipe.records.corpus import Corpus, Rejected
from segpipe.records.features import FeatureHeader
from segpipe.records.gallery import Patch, TopImage
from segpipe.records.legend import Legend
from segpipe.records.manifest import Manifest
from segpipe.records.palette import hex_colors
from segpipe.records.scores import ImageScore, Scores
from segpipe.stages.report import confusion_matrix as matrix
from segpipe.stages.report import merge_curve as merging
from segpipe.stages.report import tables
from segpipe.stages.report import text as wording

Int64 = npt.NDArray[np.int64]

LISTED = 200
"""Most files skipped that the page lists."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What `evaluate` found."""

    scores: Scores
    images: Sequence[ImageScore]
    labels: Sequence[str]
    """Names of the labelled classes: the rows of `confusion`."""
    confusion: Int64
    """(labelled classes, found classes + 1), the last column is no data."""

    @property
    def ranks(self) -> bool:
        """Whether the images shown are ordered by accuracy: only where their whole masks were judged."""
        return self.scores.protocol_name == "whole"


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure the masks are."""

    margins: Sequence[float | None]
    """Mean per class; None for a class without pixels."""
    entropy: Mapping[int, float]
    """Mean by image."""
    next: Sequence[tuple[int, int]]
    """Images to label next, and the class that each stands for."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the page is made of."""

    title: str
    corpus: Corpus
    rejected: Sequence[Rejected]
    header: FeatureHeader
    clusters: int
    """How many were asked for."""
    legend: Legend
    """The classes, made of clusters."""
    index: Sequence[Mapping[str, Any]]
    """Pixel counts per image by class, as the masks' index has them by cluster."""
    pixels: Int64
    """(classes,) of all masks."""
    holding: Int64
    """(classes,) images that hold the class."""
    manifest: Manifest
    stages: Sequence[str]
    """Names of the stages in their order."""
    judged: Judged | None
    outdated: bool
    """There are scores, and they belong to earlier masks."""
    cover: records.Cover | None
    stale_cover: bool
    """There is one, and it is of other masks or other names."""
    certainty: Certainty | None
    """None where the masks came without it."""
    crops: int
    """How many crops were looked at."""
    fit: Mapping[int, float]
    """For each image looked at the mean cosine of its patches to their class centers."""
    groups: Mapping[str, Mapping[int, float]]
    """Images to show beside their class maps, by the reason for which they were chosen, with accuracy or fit."""
    best: Mapping[int, Sequence[Patch]]
    """Per class in the gallery."""
    widest: Mapping[int, Sequence[TopImage]]
    """Per class in the gallery."""
    drawn: Drawn
    training: Sequence[Plot]
    candidates: Sequence[Candidate]

    def name(self, image: int) -> str:
        """The id of an image."""
        return self.corpus.images[image].id


def compose(found: Findings) -> Page:
    """Lay out the page."""
    scores = found.judged.scores if found.judged else None
    ranked = found.judged if found.judged and found.judged.ranks else None
    labels = class_labels(found.legend, scores)
    clusters = cluster_labels(found.legend, labels)
    sure = found.certainty
    rows, empty = share_rows(labels, found.pixels, found.holding, sure.margins if sure else None)
    manifest, images = found.manifest, found.corpus.images
    return Page(
        title=found.title,
        lead=wording.lead(len(images), len(rows), found.header),
        facts=wording.headline(run_numbers(found, used=len(rows))),
        groups=overlay_groups(found, labels),
        rule=wording.rule(
            {name: len(group) for name, group in found.groups.items()},
            of=len(ranked.images) if ranked else len(found.fit),
            total=len(images),
            scored=ranked is not None,
        ),
        shares=rows,
        empty=empty,
        cards=class_cards(found, rows),
        cover=cover_plot(found.cover) if found.cover else None,
        cover_note=wording.cover_note(found.cover, stale=found.stale_cover),
        doubtful=[(found.name(i), sure.entropy[i], labels[k]) for i, k in sure.next] if sure else [],
        doubtful_note=wording.doubtful_note(known=sure is not None),
        covers=tables.cover_rows(found.cover) if found.cover else [],
        corrected=tables.corrected_rows(found.cover) if found.cover else [],
        corrected_note=wording.corrected_note(found.cover),
        merging=merging_curve(manifest),
        gallery_note=wording.gallery_note(
            crops=found.crops, total=len(found.corpus.crops), shown=len(found.best), used=len(rows)
        ),
        scores=tables.score_tables(scores, [label.color for label in clusters]) if scores else None,
        confusion=confusion_plot(found.judged, clusters) if found.judged else None,
        scores_note=wording.scores_note(scores, outdated=found.outdated),
        training=found.training,
        training_note=wording.training_note(bool(found.training), found.candidates),
        candidates=tables.candidate_rows(found.candidates),
        views=list(found.drawn.views.values()),
        stages=tables.stage_rows(manifest, found.stages),
        settings=tables.setting_rows(manifest, found.stages),
        versions=tables.version_rows(manifest),
        machine=tables.machine_rows(manifest),
        rejected=[(file.path, file.reason) for file in found.rejected[:LISTED]],
        rejected_total=len(found.rejected),
    )


def run_numbers(found: Findings, *, used: int) -> wording.RunNumbers:
    """The numbers that head the page; `used` classes have pixels."""
    images = found.corpus.images
    return wording.RunNumbers(
        images=len(images),
        megapixels=sum(image.size.height * image.size.width for image in images) / 1e6,
        classes=found.legend.classes,
        clusters=found.clusters,
        used=used,
        fit=float(np.mean(list(found.fit.values()))),
        scores=found.judged.scores if found.judged else None,
        seconds=sum(record.seconds for record in found.manifest.stages.values()),
        rejected=len(found.rejected),
    )


def merging_curve(manifest: Manifest) -> Plot | None:
    """The curve behind the number of classes; None for runs whose `cluster` does not tell it."""
    record = manifest.stages.get("cluster")
    told = record.summary if record else {}
    if "heights" not in told:
        return None
    return merging.merging_plot(told["heights"], k=told["k"], alike=told["alike"])


def class_labels(legend: Legend, scores: Scores | None) -> list[ClassLabel]:
    """Name and color of every class; a cluster that nobody named shows the label that it was matched with."""
    plain = not legend.named
    matching = scores.unsupervised.matching if scores and plain else {}
    names = tables.class_names(legend.classes, matching) if plain else legend.names
    return [ClassLabel(name, color) for name, color in zip(names, hex_colors(legend.colors), strict=True)]


def cluster_labels(legend: Legend, classes: Sequence[ClassLabel]) -> list[ClassLabel]:
    """Every cluster in the name and color of its class: scores are of clusters, whatever these are called."""
    if not legend.named:
        return list(classes)
    return [
        ClassLabel(f"{k} · left out", "")
        if place < 0
        else ClassLabel(f"{k} · {classes[place].name}", classes[place].color)
        for k, place in enumerate(legend.classes_of.tolist())
    ]


def share_rows(
    labels: Sequence[ClassLabel], pixels: Int64, images: Int64, margins: Sequence[float | None] | None = None
) -> tuple[list[ShareRow], list[ClassLabel]]:
    """The table of shares, largest first, and the classes without a pixel.

    Args:
        labels: of the classes.
        pixels: (classes,) of the whole corpus.
        images: (classes,) that hold the class.
        margins: of the classes, where they are known.
    """
    total = max(1, int(pixels.sum()))
    order = np.argsort(-pixels, kind="stable").tolist()
    sure = margins or [None] * len(labels)
    rows = [ShareRow(k, labels[k], int(pixels[k]) / total, int(images[k]), sure[k]) for k in order if pixels[k]]
    return rows, [label for k, label in enumerate(labels) if not pixels[k]]


def class_cards(found: Findings, rows: Sequence[ShareRow]) -> list[ClassCard]:
    """The gallery, largest class first."""
    return [
        ClassCard(row, patch_shots(found, row.number), cover_shots(found, row.number))
        for row in rows
        if row.number in found.best
    ]


def patch_shots(found: Findings, label: int) -> list[Shot]:
    """The best patches of a class with their cosines."""
    return [
        Shot(found.drawn.patches[patch], f"patch of {found.name(patch.image)}", f"{patch.cosine:.2f}")
        for patch in found.best[label]
    ]


def cover_shots(found: Findings, label: int) -> list[Shot]:
    """The images that a class covers most, with the shares."""
    return [
        Shot(found.drawn.covers[cover.image, label], found.name(cover.image), percent(cover.share, 0))
        for cover in found.widest[label]
    ]


def overlay_groups(found: Findings, labels: Sequence[ClassLabel]) -> list[Group]:
    """The images beside their class maps."""
    ranked = found.judged is not None and found.judged.ranks
    titles = wording.group_titles(scored=ranked)
    note = "accuracy {:.0%}" if ranked else "fit {:.2f}"

    def shown(image: int, value: float) -> Overlay:
        classes = present(found.index[image], labels)
        return Overlay(found.name(image), note.format(value), *found.drawn.overlays[image], classes)

    return [
        Group(titles[name], [shown(image, value) for image, value in group.items()])
        for name, group in found.groups.items()
    ]


def present(entry: Mapping[str, Any], labels: Sequence[ClassLabel]) -> list[tuple[ClassLabel, float]]:
    """The classes that cover at least 2% of an image, largest first, from its line of the masks' index."""
    total = max(1, sum(entry["pixels"].values()))
    shares = sorted(((count / total, int(k)) for k, count in entry["pixels"].items()), reverse=True)
    return [(labels[k], share) for share, k in shares if share >= 0.02]


def confusion_plot(judged: Judged, labels: Sequence[ClassLabel]) -> Plot | None:
    """The confusion matrix, matched pairs on the diagonal; None where no pixel is labelled."""
    if not judged.confusion.any():
        return None
    matching = judged.scores.unsupervised.matching
    counts, rows, columns = tables.order_confusion(judged.labels, judged.confusion, matching)
    clusters = tables.label_clusters(matching)
    names = [judged.labels[i] for i in rows]
    found = [labels[k] if k < len(labels) else ClassLabel("no data", "") for k in columns]
    drawn = matrix.confusion(
        counts,
        names,
        [label.name for label in found],
        row_colors=[labels[clusters[name]].color if name in clusters else "" for name in names],
        column_colors=[label.color for label in found],
    )
    caption = (
        "Where the labelled pixels of each class (row) went (columns), in percent of the row. Matched pairs lie on the "
        "diagonal from the top left; a found class to the right of it was left without a partner, and its pixels "
        "count as errors. A dark cell off the diagonal names a confusion."
    )
    return Plot("Confusion matrix", drawn, caption, wide=True)
