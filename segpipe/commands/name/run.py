"""What the clusters of a run are called: propose, merge and split, then write classes.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segpipe import pipeline
from segpipe.base.config import Section
from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Runtime
from segpipe.commands.name.options import NameOptions
from segpipe.commands.name.split import split_cluster
from segpipe.inference import carry_over as parts
from segpipe.inference.kept_names import draw_clusters, seen_now, tell
from segpipe.records.class_names import Naming, NamingError, fold
from segpipe.records.legend import Legend
from segpipe.records.naming_edits import leave_out, recolor, rename, unmerge
from segpipe.store import masks
from segpipe.store.class_names import CLASSES, Written, load_naming, naming_text, save_naming
from segpipe.store.clusters import SPLITS, load_tree, open_clusters
from segpipe.store.corpus import load_corpus
from segpipe.store.guide import open_guide
from segpipe.store.run_dir import RunDir
from segpipe.store.yaml_comments import Comments

if TYPE_CHECKING:
    from segpipe.commands.name.proposals import Proposal

Settings = Mapping[str, Section]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Proposed:
    """What labels say of the clusters."""

    labels: tuple[str, ...]
    proposals: Sequence[Proposal]
    """One for each cluster."""


@dataclass(frozen=True, slots=True)
class Named:
    """What is said of the clusters now."""

    path: Path
    naming: Naming
    legend: Legend
    """The classes that are meant."""
    shares: Mapping[int, float]
    """Of all pixels with a cluster, by cluster."""
    notes: Sequence[str]
    """What happened, a line each."""
    proposed: Proposed | None
    written: bool
    """Whether the file differs from what it was."""

    @property
    def pictures(self) -> dict[int, str]:
        """Paths of the pictures of the clusters, from the run's directory."""
        return parts.picture_names(len(self.shares))


@dataclass(slots=True)
class _State:
    """The names while they change."""

    naming: Naming
    origin: dict[int, int]
    """Number now to number in the file."""
    notes: list[str]


def name_clusters(run_dir: RunDir, options: NameOptions, runtime: Runtime) -> Named:
    """Write classes.yaml and the pictures; cut, propose, merge where options. The caller holds the run's lock.

    Raises:
        UsageError: the run is not up to date, or what is asked for cannot be meant; nothing is written then.
        CorpusError: no label belongs to an image, or an image file is gone.
    """
    _require_current(run_dir, pipeline.resolve(run_dir))
    path = run_dir.root / CLASSES
    written = load_naming(path) if path.exists() else None
    with run_dir.draft((SPLITS, CLASSES, f"{CLASSES}.before")) as draft:
        return _change(run_dir, draft, written, options, runtime)


def _change(run_dir: RunDir, draft: RunDir, written: Written | None, options: NameOptions, runtime: Runtime) -> Named:
    """Do what the options say, reading the run and writing the draft alone."""
    before, after = parts.load_seen(run_dir.root), seen_now(draft)
    if written is not None and written.naming.clustering == after.clustering:
        unknown = next((k for k in written.naming.entries if k >= after.clusters), None)
        if unknown is not None:
            written.legend(after.clusters)  # says which line is wrong
    carried = parts.carry(written.naming if written else parts.begin(after, open_guide(draft)), before, after)
    state = _State(carried.naming, dict(carried.origin), tell(carried) if written else [])
    if options.split is not None:
        cluster = _cluster_of(state.naming, options.split, named("split", options.split))
        cut = split_cluster(draft, state.naming, cluster, runtime, into=options.into or 2, by=options.by or "auto")
        after = seen_now(draft)
        state.naming = replace(cut.naming, clustering=after.clustering)
        state.origin = {now: state.origin[was] for now, was in cut.origin.items() if was in state.origin}
        state.notes += cut.notes
    clusters = after.clusters
    pixels, _ = masks.count_pixels(masks.load_index(draft.path("masks")), classes=clusters)
    draw_clusters(run_dir, draft, before, after, runtime)
    state.notes += _tell_fixed(run_dir, draft, clusters)
    proposed = _propose(draft, state, options, clusters, runtime) if options.proposals else None
    state.naming = edited(state.naming, options)
    if options.suggest:
        _suggest(draft, state, options.suggest, pixels)
    comments = written.comments.moved(state.origin) if written else Comments()
    said = Named(
        path=run_dir.root / CLASSES,
        naming=state.naming,
        legend=_legend(state.naming, clusters),
        shares={k: float(pixels[k] / max(1, pixels.sum())) for k in range(clusters)},
        notes=tuple(state.notes),
        proposed=proposed,
        written=False,
    )
    text = naming_text(said.naming, said.shares, said.pictures, comments)
    return replace(said, written=save_naming(draft.root / CLASSES, text))


def _tell_fixed(run_dir: RunDir, draft: RunDir, clusters: int) -> list[str]:
    """A note of clusters that lie at the same place of every frame, whatever labels say of them."""
    found = parts.load_fixed(draft.root)
    fixed = [k for k in (parts.load_fixed(run_dir.root) or [] if found is None else found) if k < clusters]
    if not fixed:
        return []
    which = f"cluster {fixed[0]} lies" if len(fixed) == 1 else f"clusters {', '.join(map(str, fixed))} lie"
    return [
        f"{which} at the same place of every frame: corners of the lens, a housing, an instrument? look at the picture "
        "before it gets a name, or leave it out of the map (ignore: true)"
    ]


def _require_current(run_dir: RunDir, settings: Settings) -> None:
    """Names are of the masks: they must be those of the clusters."""
    for name in ("cluster", "refine"):
        pipeline.require(pipeline.BY_NAME[name], settings, run_dir)


# --- proposals and merges -------------------------------------------------------------------------------------------


def _propose(run_dir: RunDir, state: _State, options: NameOptions, clusters: int, runtime: Runtime) -> Proposed:
    from segpipe.commands.name.proposals import fits, propose
    from segpipe.labels.counting import count_labelled
    from segpipe.records.point_rules import PointRules

    assert options.proposals is not None
    directory = run_dir.path("masks")
    corpus = load_corpus(run_dir.path("corpus"))
    rules = PointRules(options.skip_outside, options.points_in, "skip_outside")
    sources = options.proposals, options.classes
    found = count_labelled(*sources, corpus, directory, clusters=clusters, runtime=runtime, rules=rules)
    spread = min(options.min_images, len(corpus.images))  # the clusters of a single mosaic lie in one image
    proposals = propose(found.counts, least=options.min_pixels, spread=spread, share=options.min_agreement)
    entries = dict(state.naming.entries)
    for k, proposal in enumerate(proposals):
        if proposal.label is not None and not entries[k].name:
            entries[k] = replace(entries[k], name=found.classes[proposal.label])
    by_fold = {fold(name): i for i, name in enumerate(found.classes)}
    named = {k: by_fold[fold(e.name)] for k, e in entries.items() if fold(e.name) in by_fold}
    labelled = "points" if found.points else "labelled pixels"
    where = "one image" if len(found.images) == 1 else f"{len(found.images)} images"
    state.notes.append(
        f"{fits(found.counts, named):.1%} of {found.counts.pixels} {labelled} in {where} lie in a "
        f"cluster of their name; names were chosen by the same {labelled}, so expect somewhat less elsewhere"
    )
    state.notes.append(
        f"a name is proposed where {options.min_pixels} {labelled} or more (min_pixels) in {spread} or more "
        f"images (min_images) say it, and surely {options.min_agreement:.0%} of them: the lower end of the "
        f"95% interval (min_agreement)"
    )
    if found.unmatched:
        state.notes.append(f"{len(found.unmatched)} labels fit no image, such as {found.unmatched[0]}")
    state.naming = replace(state.naming, entries=entries)
    return Proposed(found.classes, proposals)


def _cluster_of(naming: Naming, text: str, said: str) -> int:
    """The one cluster that a number or a name means."""
    if text.isdecimal() and int(text) in naming.entries:
        return int(text)
    found = [k for k, entry in naming.entries.items() if entry.name and entry.name == text]
    if len(found) > 1:
        raise UsageError(f"{said}: clusters {', '.join(map(str, found))} have that name; give the number of one")
    if not found:
        last = max(naming.entries)
        raise UsageError(f"{said}: there is no cluster {text!r}, and none of that name; clusters go from 0 to {last}")
    return found[0]


def edited(naming: Naming, options: NameOptions) -> Naming:
    """What is said of single clusters, in this order: names and colors, merges, what is left out.

    Raises:
        UsageError: a cluster does not exist, or a name or color cannot be meant.
    """
    for option, change, pairs in (("name", rename, options.name), ("color", recolor, options.color)):
        for cluster, value in pairs:
            said = named(option, f"{cluster} {value}")
            naming = _said(said, change, naming, _cluster_of(naming, cluster, said), value)
    for cluster, into in options.merge:
        naming = _merge(naming, cluster, into)
    for cluster in options.unmerge:
        said = named("unmerge", cluster)
        naming = _said(said, unmerge, naming, _cluster_of(naming, cluster, said))
    for option, ignore, clusters in (("ignore", True, options.ignore), ("keep", False, options.keep)):
        for cluster in clusters:
            said = named(option, cluster)
            naming = _said(said, leave_out, naming, _cluster_of(naming, cluster, said), ignore)
    return naming


def _said(said: str, change: Callable[..., Naming], naming: Naming, *values: Any) -> Naming:
    try:
        return change(naming, *values)
    except NamingError as error:
        raise UsageError(f"{said}: {error}") from error


def _merge(naming: Naming, cluster: str, into: str) -> Naming:
    entries, said = dict(naming.entries), named("merge", f"{cluster} {into}")
    sources = [k for k, entry in entries.items() if str(k) == cluster or (entry.name and entry.name == cluster)]
    if not sources:
        raise UsageError(
            f"{named('merge', f'{cluster} {into}')}: there is no cluster {cluster!r}, and none of that name"
        )
    number = into.isdecimal()
    if number and int(into) not in entries:
        raise UsageError(f"{said}: clusters go from 0 to {max(entries)}")
    for k in sources:
        entries[k] = replace(entries[k], merge_into=int(into) if number else into)
    return replace(naming, entries=entries)


def _suggest(run_dir: RunDir, state: _State, classes: int, pixels: Int64) -> None:
    from segpipe.commands.name.proposals import suggest_merges

    model, tree = open_clusters(run_dir), load_tree(run_dir.path("clusters") / "tree.npz")
    entries = dict(state.naming.entries)
    for k, into in suggest_merges(model, tree, pixels, classes=classes).items():
        if entries[k].merge_into is not None or (entries[k].name and entries[into].name):
            state.notes.append(f"cluster {k} would join {into}; left as it is, because you have said what it is")
            continue
        entries[k] = replace(entries[k], merge_into=into)
    state.naming = replace(state.naming, entries=entries)


def _legend(naming: Naming, clusters: int) -> Legend:
    """The classes that are meant; what could not be read is not written."""
    try:
        return naming.legend(clusters)
    except NamingError as error:
        raise UsageError(f"cluster {error.cluster}, {error.field}: {error}") from error
