"""From what was found in a run to the report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segpipe.plots.cover import cover_plot
from segpipe.plots.cover_over_time import time_plot
from segpipe.plots.html import Plot, Shot, SkippedFiles, percent
from segpipe.records.legend import Legend
from segpipe.records.manifest import Manifest
from segpipe.records.palette import hex_colors
from segpipe.records.scores import Scores
from segpipe.stages.report import tables, text
from segpipe.stages.report.confusion_matrix import confusion_plot
from segpipe.stages.report.films_part import film_scores_part, films_part
from segpipe.stages.report.merge_curve import merging_plot
from segpipe.stages.report.page import (
    ClassCard,
    ClassesPart,
    ClassLabel,
    CoverPart,
    ImageOverlay,
    ImagesPart,
    OverlayGroup,
    ProvenancePart,
    ReportPage,
    ScoresPart,
    ShareRow,
    TrainingPart,
)
from segpipe.stages.report.report_data import Evaluation, Int64, ReportData


def compose(found: ReportData) -> ReportPage:
    """Lay out the page."""
    labels = class_labels(found.legend, found.evaluation.scores if found.evaluation else None)
    classes = classes_part(found, labels)
    used = len(classes.shares)
    return ReportPage(
        title=found.title,
        intro=text.intro(len(found.corpus.images), used, found.header, guided=guided_by(found.manifest)),
        skipped=SkippedFiles.of(found.rejected),
        headline=text.headline(run_numbers(found, used=used)),
        images=images_part(found, labels),
        classes=classes,
        cover=cover_part(found),
        films=films_part(found.films, found.legend),
        scores=scores_part(found, cluster_labels(found.legend, labels)),
        training=TrainingPart(
            text.training_note(bool(found.training), found.candidates),
            tables.candidate_rows(found.candidates),
            found.training,
        ),
        features=list(found.pictures.features.values()),
        run=provenance_part(found.manifest, found.stages),
        told=[*([f"classes {found.kept}"] if found.kept else []), *told_of(found.manifest)],
    )


def guided_by(manifest: Manifest) -> str | None:
    """What the manifest says of labels that steered the classes; None: there were none."""
    cluster = manifest.stages.get("cluster")
    return cluster.summary.get("guided") if cluster else None


def told_of(manifest: Manifest) -> Sequence[str]:
    """What `index` read otherwise than one might expect, or passed over."""
    record = manifest.stages.get("index")
    return [str(note) for note in record.summary.get("notes", ())] if record else []


def images_part(found: ReportData, labels: Sequence[ClassLabel]) -> ImagesPart:
    """The chosen images beside their class maps."""
    ranked = found.evaluation if found.evaluation and found.evaluation.ranks else None
    rule = text.rule(
        {name: len(group) for name, group in found.groups.items()},
        of=len(ranked.images) if ranked else len(found.fit),
        total=len(found.corpus.images),
        scored=ranked is not None,
        named=ranked is not None and ranked.named is not None,
    )
    return ImagesPart(overlay_groups(found, labels), rule)


def classes_part(found: ReportData, labels: Sequence[ClassLabel]) -> ClassesPart:
    """Shares, gallery, and the images to label next."""
    sure = found.certainty
    rows, empty = share_rows(labels, found.pixels, found.holding, sure.margins if sure else None)
    return ClassesPart(
        shares=rows,
        empty=empty,
        merging=merging_curve(found.manifest),
        cards=class_cards(found, rows),
        gallery_note=text.gallery_note(
            crops=found.crops, total=len(found.corpus.crops), shown=len(found.best), used=len(rows)
        )
        + text.fixed_note([labels[k].name for k in found.fixed]),
        uncertain=[(found.name(i), sure.entropy[i], labels[k]) for i, k in sure.next] if sure else [],
        uncertain_note=text.uncertain_note(known=sure is not None),
    )


def cover_part(found: ReportData) -> CoverPart:
    """Cover, where it was estimated."""
    cover = found.cover
    return CoverPart(
        note=text.cover_note(cover, stale=found.stale_cover),
        plot=cover_plot(cover) if cover else None,
        rows=tables.cover_rows(cover) if cover else [],
        corrected=tables.corrected_rows(cover) if cover else [],
        corrected_note=text.corrected_note(cover),
        time=time_plot(cover) if cover else None,
    )


def scores_part(found: ReportData, clusters: Sequence[ClassLabel]) -> ScoresPart:
    """Scores, where there are labels."""
    evaluation = found.evaluation
    scores = evaluation.scores if evaluation else None
    return ScoresPart(
        note=text.scores_note(scores, outdated=found.outdated),
        tables=_score_tables(found.legend, evaluation, clusters) if evaluation else None,
        confusion=confusion_plot(evaluation, clusters) if evaluation else None,
        films=film_scores_part(scores.video if scores else None),
    )


def _score_tables(legend: Legend, evaluation: Evaluation, clusters: Sequence[ClassLabel]) -> dict[str, Any]:
    """The scores, and the color of the class that each label is compared with."""
    scores, named = evaluation.scores, evaluation.named
    if named is None:
        own = {name: clusters[k].color for name, k in tables.label_clusters(sure_matching(scores)).items()}
    else:
        colors = dict(zip(legend.names, hex_colors(legend.colors), strict=True))
        own = {label: colors[name] for name, label in named.matching.items() if label is not None and name in colors}
    return tables.score_tables(scores, named, own)


def provenance_part(manifest: Manifest, stages: Sequence[str]) -> ProvenancePart:
    """Stages, settings, versions and machine."""
    return ProvenancePart(
        tables.stage_rows(manifest, stages),
        tables.setting_rows(manifest, stages),
        tables.version_rows(manifest),
        tables.machine_rows(manifest),
    )


def run_numbers(found: ReportData, *, used: int) -> text.RunNumbers:
    """The numbers that head the page; `used` classes have pixels."""
    images = found.corpus.images
    return text.RunNumbers(
        images=len(images),
        megapixels=sum(image.size.height * image.size.width for image in images) / 1e6,
        classes=found.legend.classes,
        clusters=found.clusters,
        used=used,
        fit=float(np.mean(list(found.fit.values()))),
        scores=found.evaluation.scores if found.evaluation else None,
        named=found.evaluation.named if found.evaluation else None,
        seconds=sum(record.seconds for record in found.manifest.stages.values()),
        rejected=len(found.rejected),
    )


def merging_curve(manifest: Manifest) -> Plot | None:
    """The curve behind the number of classes; None for runs whose `cluster` does not tell it."""
    record = manifest.stages.get("cluster")
    told = record.summary if record else {}
    if "heights" not in told:
        return None
    return merging_plot(told["heights"], k=told["k"], alike=told["alike"])


def class_labels(legend: Legend, scores: Scores | None) -> list[ClassLabel]:
    """Name and color of every class; a cluster that nobody named shows the label that it was surely matched with."""
    plain = not legend.named
    matching = sure_matching(scores) if scores and plain else {}
    names = tables.class_names(legend.classes, matching) if plain else legend.names
    return [ClassLabel(name, color) for name, color in zip(names, hex_colors(legend.colors), strict=True)]


def sure_matching(scores: Scores) -> dict[str, str | None]:
    """The label of each cluster, where enough labelled pixels say so."""
    weak = scores.unsupervised.weak or ()
    return {k: None if k in weak else name for k, name in scores.unsupervised.matching.items()}


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


def class_cards(found: ReportData, rows: Sequence[ShareRow]) -> list[ClassCard]:
    """The gallery, largest class first."""
    return [
        ClassCard(row, patch_shots(found, row.number), top_image_shots(found, row.number))
        for row in rows
        if row.number in found.best
    ]


def patch_shots(found: ReportData, label: int) -> list[Shot]:
    """The best patches of a class with their cosines."""
    return [
        Shot(found.pictures.patches[patch], f"patch of {found.name(patch.image)}", f"{patch.cosine:.2f}")
        for patch in found.best[label]
    ]


def top_image_shots(found: ReportData, label: int) -> list[Shot]:
    """The images that a class covers most, with the shares."""
    return [
        Shot(found.pictures.top_images[top.image, label], found.name(top.image), percent(top.share, 0))
        for top in found.top_images[label]
    ]


def overlay_groups(found: ReportData, labels: Sequence[ClassLabel]) -> list[OverlayGroup]:
    """The images beside their class maps."""
    ranked = found.evaluation is not None and found.evaluation.ranks
    titles = text.group_titles(scored=ranked)
    note = "accuracy {:.0%}" if ranked else "fit {:.2f}"

    def shown(image: int, value: float) -> ImageOverlay:
        classes = present(found.index[image], labels)
        return ImageOverlay(found.name(image), note.format(value), *found.pictures.overlays[image], classes)

    return [
        OverlayGroup(titles[name], [shown(image, value) for image, value in group.items()])
        for name, group in found.groups.items()
    ]


def present(entry: Mapping[str, Any], labels: Sequence[ClassLabel]) -> list[tuple[ClassLabel, float]]:
    """The classes that cover at least 2% of an image, largest first, from its line of the masks' index."""
    total = max(1, entry.get("seen") or sum(entry["pixels"].values()))
    shares = sorted(((count / total, int(k)) for k, count in entry["pixels"].items()), reverse=True)
    return [(labels[k], share) for share, k in shares if share >= 0.02]
