"""Sentences and headline numbers of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segpipe.ops.metrics.majority import LEAST_IMAGES, LEAST_PIXELS, LEAST_SHARE
from segpipe.plots.html import duration, percent
from segpipe.records.candidates import Candidate
from segpipe.records.cover import Cover
from segpipe.records.features import FeatureHeader
from segpipe.records.scores import NamedMap, Scores
from segpipe.stages.report.tables import text

_FACETS = {"token": "patch tokens", "key": "keys", "query": "queries", "value": "values"}


def plural(count: int, noun: str, nouns: str = "") -> str:
    """A number with its noun.

    >>> plural(1, "class", "classes"), plural(1500, "image")
    ('1 class', '1500 images')
    """
    return f"{text(count)} {noun if count == 1 else nouns or noun + 's'}"


def intro(images: int, classes: int, header: FeatureHeader, *, guided: str | None = None) -> str:
    """One sentence: what this run is; `guided` as the summary of `cluster` says it."""
    found = guided or "found without labels"
    return (
        f"{plural(images, 'image')} divided into {plural(classes, 'class', 'classes')} {found}, "
        f"from the {_FACETS.get(header.facet, header.facet)} of the frozen backbone {header.backbone}."
    )


@dataclass(frozen=True, slots=True)
class RunNumbers:
    """The numbers that head a report."""

    images: int
    megapixels: float
    classes: int
    clusters: int
    used: int
    """Classes that have pixels."""
    fit: float
    """Mean cosine of patches and their class centers."""
    scores: Scores | None
    named: NamedMap | None
    """Scores of the map under its names."""
    seconds: float
    rejected: int


def headline(run: RunNumbers) -> list[tuple[str, str, str]]:
    """Headline numbers: value, what it is, small print."""
    size = f"{run.megapixels:.3g} megapixels"
    skipped = f"; {plural(run.rejected, 'file')} skipped" if run.rejected else ""
    same = run.classes == run.clusters
    asked = f"of {run.classes} asked for" if same else f"made of {run.clusters} clusters"
    found = [(text(run.images), "images", f"{size}{skipped}"), (str(run.used), "classes in use", asked)]
    scores = run.scores
    if scores is None:
        found.append((f"{run.fit:.2f}", "fit of patches to classes", "mean cosine of code and class center, at most 1"))
    else:
        ours, baseline = scores.unsupervised, scores.baseline_kmeans
        by = "" if scores.protocol_name == "whole" else f"; {scores.protocol_name} protocol"
        for measure, what in (("accuracy", "pixel accuracy"), ("miou", "mean IoU")):
            value = percent(getattr(ours, measure))
            small = f"baseline {percent(getattr(baseline, measure))}{by}"
            if run.named is not None:
                value, small = percent(getattr(run.named, measure)), f"of the map as named; clusters {value}, {small}"
            found.append((value, what, small))
    return [*found, (duration(run.seconds), "computing", "all stages")] if run.seconds else found


def rule(groups: Mapping[str, int], *, of: int, total: int, scored: bool, named: bool = False) -> str:
    """How the images shown were chosen.

    Args:
        groups: number of images per group.
        of: number of images chosen from.
        total: number of images of the corpus.
        scored: whether they were ordered by accuracy, else by fit.
        named: whether the accuracy is that of the map as named.
    """
    if scored:
        under = "of the map as named" if named else "under the one matching of classes used for all images"
        order = f"pixel accuracy against the labels, {under}"
        among = plural(of, "labelled image")
    else:
        order = (
            "how well their patches fit the classes (mean cosine of a patch's code and its class center), "
            "without labels; a low fit marks an unusual image, not a wrong class map"
        )
        among = (
            plural(of, "image")
            if of == total
            else f"{text(of)} of the {text(total)} images, chosen at random and by class,"
        )
    if "all" in groups:
        first = "All" if of == total else "These"
        head = "The one image" if groups["all"] == 1 and of == total else f"{first} {among}"
        return f"{head}, ordered by {order}: lowest first."
    parts = {"worst": "the {n} lowest", "median": "the {n} around the median", "best": "the {n} highest"}
    shown = [parts[name].format(n=n) for name, n in groups.items()]
    listed = " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
    return f"From {among} ordered by {order}: {listed}."


def group_titles(scored: bool) -> dict[str, str]:
    """Headings of the groups of images."""
    what = "accuracy" if scored else "fit"
    return {"worst": f"Lowest {what}", "median": f"Median {what}", "best": f"Highest {what}", "all": ""}


def gallery_note(*, crops: int, total: int, shown: int, used: int) -> str:
    """How the gallery was filled: `crops` of `total` were sampled, `shown` of `used` classes are in it."""
    sampled = (
        f"all {plural(total, 'crop')} of the corpus"
        if crops == total
        else f"{text(crops)} of the {text(total)} crops (of the images that each class covers most, the rest at random)"
    )
    note = (
        "Left, the patches that are most similar to the class center (highest cosine), at most two of an image, "
        f"from {sampled}; the outlined square is the patch, shown with its surroundings. "
        "Right, the images of the whole corpus where the class covers most, the rest of each image faded."
    )
    return note if shown == used else f"{note} Shown are the {shown} largest of {used} classes."


def fixed_note(names: Sequence[str]) -> str:
    """Which classes lie at the same place of every frame; empty where none does."""
    if not names:
        return ""
    one = len(names) == 1
    return (
        f" {', '.join(names)} {'lies' if one else 'lie'} at the same place of every frame: corners of the lens, a "
        f"housing, an instrument? {'It is' if one else 'They are'} hardly a kind of ground; classes.yaml leaves "
        f"{'it' if one else 'them'} out of the map (ignore: true)."
    )


def training_note(shown: bool, candidates: Sequence[Candidate]) -> str:
    """How the head was made."""
    kept = next((found for found in candidates if found.chosen), None)
    which = "" if kept is None or len(candidates) == 1 else f"Of {len(candidates)} candidates {kept.name} was kept. "
    if kept is not None and not kept.steps:
        return f"{which}No training: the principal components of the features were kept as codes. No label takes part."
    if not shown:
        return f"{which}The run holds no record of the training."
    return (
        f"{which}The head learns codes in which similar patches become more similar and different ones more different, "
        "as the frozen features say: within an image, between similar images, and between random ones. "
        "No label takes part."
    )


def uncertain_note(*, known: bool) -> str:
    """How the images to label next were chosen, or what to do to know them."""
    if not known:
        return (
            "The masks of this run were made without certainty. segpipe refine RUN --set refine.certainty=true writes "
            "how certain every pixel is; then this page lists the images that are worth labelling next."
        )
    return (
        "Images whose class maps are least certain, by the mean entropy of their pixels (0 = certain everywhere, 1 = "
        "all classes equally likely). Each stands for one class, the one of whose uncertainty in the whole corpus it "
        "holds the largest part; the least certain image of every class comes first, so that the list is varied. "
        "Certainty is the model's own: it can be certain and wrong."
    )


def cover_note(cover: Cover | None, *, stale: bool) -> str:
    """What cover is based on, or why there is none."""
    if stale:
        return "This run's cover is of earlier masks or names and is left out; run segpipe cover, then segpipe report."
    if cover is None:
        return "Cover was not estimated: segpipe cover RUN, then segpipe report RUN."
    of = {
        "pixels": "all pixels with a class",
        "square meters": "the ground with a class",
        "images": "an image, on average",
    }
    sites = f" Sites are {'folders' if cover.by == 'folder' else f'by {cover.by}'}." if len(cover.sites) > 1 else ""
    doubt = f" {cover.whole.note[0].upper()}{cover.whole.note[1:]}." if cover.whole.note else ""
    return (
        f"How much of {of[cover.weight]} each class covers, over {plural(cover.whole.images, 'image')}.{sites}{doubt}"
    )


def corrected_note(cover: Cover | None) -> str:
    """What the corrected shares are based on; empty without labels."""
    if cover is None or cover.correction is None:
        return ""
    found = cover.correction
    nameless = [row.label for row in found.labels if row.raw is None]
    error = (
        ""
        if found.mean_error is None
        else f" Image by image, the map's share of a class differs from that of the label of its name by "
        f"{percent(found.mean_error)} on average (an image has few points: part of this is chance)."
    )
    if nameless:
        error += f" No class of the map is called {', '.join(nameless)}."
    unseen = (
        f" For {percent(found.unseen)} of the map nothing is known: no label lies in {', '.join(found.unseen_classes)}."
        if found.unseen_classes
        else ""
    )
    by_site = (
        f" cover/cover_sites_corrected.csv holds the same for {plural(len(found.sites), 'site')}: the errors found at "
        "all sites together, applied to the map of each. That is right if a class of the map is the same mix of labels "
        "at every site; if it is not, the differences between sites are underestimated."
        if found.sites
        else ""
    )
    return (
        f"From {plural(found.pixels, 'labelled pixel')} in {plural(found.images, 'image')}: how often each class of "
        "the map is which label, times how much of the map it covers (Olofsson et al. 2014). If the labelled pixels "
        "were chosen at random, this is right on average even where the map confuses classes. Intervals are by "
        f"resampling images (bootstrap).{error}{unseen}{by_site}"
    )


def scores_note(scores: Scores | None, *, outdated: bool) -> str:
    """What the scores are based on, or why there are none."""
    if outdated:
        return (
            "The scores of this run belong to earlier masks and are left out; "
            "run segpipe evaluate again, then segpipe report."
        )
    if scores is None:
        return (
            "This run was not compared with labels. A few labelled images, or points, are enough: "
            "segpipe evaluate RUN --labels DIR_OR_CSV, then segpipe report RUN."
        )
    return (
        f"Against {plural(scores.labelled_pixels, 'labelled pixel')} in {plural(scores.images, 'image')}, "
        f"by the protocol “{scores.protocol_name}” (below). "
        + (
            f"The classes are {scores.guided}, so these are no label-free scores; "
            f"{plural(scores.guide_images, 'image')} that steered them took no part."
            if scores.guided
            else "Labels were used only for this comparison, never to find the classes."
        )
        + _weak_note(scores)
    )


def _weak_note(scores: Scores) -> str:
    """Which clusters do not show the label that they were matched with, and by which rule."""
    weak = scores.unsupervised.weak
    if not weak:
        return ""
    which = plural(len(weak), "cluster")
    return (
        f" {which} ({', '.join(weak)}) {'is' if len(weak) == 1 else 'are'} matched with a label by too little to be "
        f"called by it: it takes {LEAST_PIXELS} labelled pixels in {LEAST_IMAGES} images, and surely (the lower end of "
        f"a 95% interval) {LEAST_SHARE:.0%} of them with that label."
    )
