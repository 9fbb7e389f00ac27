"""`segpipe name`: what the clusters of a run are called, written for a person to edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.cli.options import common, run_argument
from segpipe.cli.tables import plain_table
from segpipe.cli.work import existing
from segpipe.records.legend import plain_legend
from segpipe.records.naming import Entry, Naming, NamingError, fold
from segpipe.stages import STAGES
from segpipe.store import masks
from segpipe.store.naming import CLASSES, clustering, load_naming, naming_text, save_naming
from segpipe.store.run_dir import RunDir

if TYPE_CHECKING:
    from segpipe.ops.proposing import Proposal
    from segpipe.parts.naming import Carried

EXAMPLES = """\b
Examples:
  segpipe name runs/reef                                           write classes.yaml and a picture of each cluster
  segpipe name runs/reef --points points.csv --classes names.txt   propose names by labelled pixels
  segpipe name runs/reef --merge 4 2 --merge 7 sand                cluster 4 joins 2, cluster 7 joins what is sand
  segpipe name runs/reef --suggest 6                               join the most alike until 6 classes are left
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options ask for."""

    labels: Path | None
    classes: Path | None
    least: int
    spread: int
    share: float
    merges: Sequence[tuple[str, str]]
    suggest: int | None


@click.command("name", epilog=EXAMPLES)
@run_argument
@click.option(
    "--points", "--labels", "labels", metavar="CSV|DIR", type=click.Path(path_type=Path),
    help="Propose names by labelled pixels: a CSV of points, or a folder of index PNGs.",
)  # fmt: skip
@click.option("--classes", metavar="FILE", type=click.Path(path_type=Path), help="Class names, one a line.")
@click.option("--least", default=10, show_default=True, type=click.IntRange(1), help="Labelled pixels a name needs.")
@click.option("--spread", default=2, show_default=True, type=click.IntRange(1), help="Images that they must lie in.")
@click.option(
    "--share", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Share of them that must agree."
)
@click.option("merges", "--merge", nargs=2, multiple=True, metavar="A B", help="Cluster A joins the class of B.")
@click.option("--suggest", type=click.IntRange(1), metavar="N", help="Join the most alike until N classes are left.")
@common
def name_command(run_path: Path, **options: Any) -> int:
    """Write RUN/classes.yaml, where a person says what the clusters are called.

    For each cluster it holds name, color, merge_into, ignore, its share of the pixels and the picture of its best
    patches in RUN/gallery/. What was written before is kept; where the clusters have changed, names follow the pixels.
    """
    run_dir = existing(run_path)
    asked = Asked(**options)
    if asked.classes and not asked.labels:
        raise UsageError(f"--classes {asked.classes} names labels; give them with --points CSV or --labels DIR")
    with run_dir.lock():
        _name(run_dir, asked)
    return 0


def _name(run_dir: RunDir, asked: Asked) -> None:
    from segpipe.cli import terminal

    screen, quiet = click.get_current_context().obj
    settings = pipeline.resolve(run_dir)
    runtime = pipeline.make_runtime(settings, terminal.tracker(screen, quiet=quiet))
    path, directory = run_dir.root / CLASSES, run_dir.path("masks")
    clusters = int(masks.load_header(directory)["classes"])
    _require_current(run_dir, settings)
    carried = _carry(run_dir, path, clusters, runtime)
    pixels, _ = masks.count_pixels(masks.load_index(directory), classes=clusters)
    naming, notes = carried.naming, _tell_carried(carried, new=not path.exists())
    if asked.labels:
        naming = _propose(run_dir, naming, asked, clusters, runtime, notes)
    for cluster, into in asked.merges:
        naming = _merge(naming, cluster, into)
    if asked.suggest:
        naming = _suggest(run_dir, naming, asked.suggest, pixels, notes)
    _check(naming, clusters)
    from segpipe.parts.naming import picture_names

    shares = {k: float(pixels[k] / max(1, pixels.sum())) for k in range(clusters)}
    changed = save_naming(path, naming_text(naming, shares, picture_names(clusters)))
    for note in notes:
        pipeline.log.info("%s", note)
    if not quiet:
        Console().print(_table(naming, shares, clusters))
    pipeline.log.info("%s %s", path, "written; edit it, then run the last stages again" if changed else "is as it was")


def _require_current(run_dir: RunDir, settings: Mapping[str, Any]) -> None:
    """Names are of the masks: they must be those of the clusters."""
    for stage in STAGES:
        if stage.NAME in ("cluster", "refine"):
            pipeline.require(stage, settings, run_dir)


def _carry(run_dir: RunDir, path: Path, clusters: int, runtime: Runtime) -> Carried:
    from segpipe.parts import naming as parts
    from segpipe.parts.surveying import open_inputs

    before = parts.load_seen(run_dir.root)
    inputs = open_inputs(run_dir, plain_legend(clusters))
    after = parts.look(inputs.masks, inputs.corpus, clusters, clustering(run_dir))
    if path.exists():
        written = load_naming(path)
        if written.naming.clustering == after.clustering:
            unknown = next((k for k in written.naming.entries if k >= clusters), None)
            if unknown is not None:
                written.legend(clusters)  # says which line is wrong
        old = written.naming
    else:
        old = parts.begin(after)
    carried = parts.carry(old, before, after)
    pictures = parts.picture_names(clusters).values()
    if (
        before is None
        or before.clustering != after.clustering
        or not all((run_dir.root / name).exists() for name in pictures)
    ):
        parts.draw_gallery(inputs, run_dir.root, runtime)
    parts.save_seen(after, run_dir.root)
    return carried


def _tell_carried(carried: Carried, *, new: bool) -> list[str]:
    if new:
        return []
    notes = []
    if carried.moved:
        moved = ", ".join(f"{was} is {now} now" for was, now in carried.moved.items())
        notes.append(f"clusters kept their entries under other numbers: {moved}")
    if carried.added:
        notes.append(f"new clusters, not named yet: {', '.join(map(str, carried.added))}")
    if carried.removed:
        gone = ", ".join(f"{k} ({entry.name})" if entry.name else str(k) for k, entry in carried.removed.items())
        notes.append(f"clusters that are there no more, their entries taken out: {gone}")
    notes += [f"cluster {k}: what it was merged into is there no more; merge_into is empty" for k in carried.loose]
    if notes:
        notes.append(f"what was written before is kept in {CLASSES}.before")
    return notes


def _propose(
    run_dir: RunDir, naming: Naming, asked: Asked, clusters: int, runtime: Runtime, notes: list[str]
) -> Naming:
    from segpipe.ops.proposing import fits, propose
    from segpipe.parts.labelled import count_labelled
    from segpipe.store.corpus import load_corpus

    assert asked.labels is not None
    corpus = load_corpus(run_dir.path("corpus"))
    found = count_labelled(
        asked.labels, asked.classes, corpus, run_dir.path("masks"), clusters=clusters, runtime=runtime
    )
    proposals = propose(found.counts, least=asked.least, spread=asked.spread, share=asked.share)
    proposed = {k: found.classes[p.label] for k, p in enumerate(proposals) if p.label is not None}
    entries = dict(naming.entries)
    for k, name in proposed.items():
        if not entries[k].name:
            entries[k] = replace(entries[k], name=name)
    by_fold = {fold(name): i for i, name in enumerate(found.classes)}
    named = {k: by_fold[fold(e.name)] for k, e in entries.items() if fold(e.name) in by_fold}
    _, quiet = click.get_current_context().obj
    if not quiet:
        Console().print(_proposal_table(proposals, found.classes, entries))
    labelled = "points" if found.points else "labelled pixels"
    notes.append(
        f"{fits(found.counts, named):.1%} of {found.counts.pixels} {labelled} in {len(found.images)} images lie in a "
        f"cluster of their name; names were chosen by the same {labelled}, so expect somewhat less elsewhere"
    )
    if found.unmatched:
        notes.append(f"{len(found.unmatched)} labels fit no image, such as {found.unmatched[0]}")
    return replace(naming, entries=entries)


def _proposal_table(proposals: Sequence[Proposal], classes: Sequence[str], entries: Mapping[int, Entry]) -> Table:
    table = plain_table("cluster", "labelled", "images", "agree", "proposed", "next", "name")
    for k, p in enumerate(proposals):
        proposed = p.why if p.label is None else classes[p.label]
        name = entries[k].name
        kept = " (kept)" if p.label is not None and name != proposed else ""
        table.add_row(
            str(k), str(p.pixels), str(p.images), f"{p.agreement:.0%}" if p.pixels else "", proposed,
            "" if p.second is None else classes[p.second], name + kept,
        )  # fmt: skip
    return table


def _merge(naming: Naming, cluster: str, into: str) -> Naming:
    entries = dict(naming.entries)
    sources = [k for k, entry in entries.items() if str(k) == cluster or (entry.name and entry.name == cluster)]
    if not sources:
        raise UsageError(f"--merge {cluster} {into}: there is no cluster {cluster!r}, and none of that name")
    number = into.isdecimal()
    if number and int(into) not in entries:
        raise UsageError(f"--merge {cluster} {into}: clusters go from 0 to {max(entries)}")
    for k in sources:
        entries[k] = replace(entries[k], merge_into=int(into) if number else into)
    return replace(naming, entries=entries)


def _suggest(run_dir: RunDir, naming: Naming, classes: int, pixels: npt.NDArray[np.int64], notes: list[str]) -> Naming:
    from segpipe.ops.proposing import suggest_merges
    from segpipe.store.clusters import load_clusters, load_tree

    folder = run_dir.path("clusters")
    model, tree = load_clusters(folder / "clusters.npz"), load_tree(folder / "tree.npz")
    entries = dict(naming.entries)
    for k, into in suggest_merges(model, tree, pixels, classes=classes).items():
        if entries[k].merge_into is not None or (entries[k].name and entries[into].name):
            notes.append(f"cluster {k} would join {into}; left as it is, because you have said what it is")
            continue
        entries[k] = replace(entries[k], merge_into=into)
    return replace(naming, entries=entries)


def _check(naming: Naming, clusters: int) -> None:
    """Refuse to write what could not be read."""
    try:
        naming.legend(clusters)
    except NamingError as error:
        raise UsageError(f"cluster {error.cluster}, {error.field}: {error}") from error


def _table(naming: Naming, shares: Mapping[int, float], clusters: int) -> Table:
    legend = naming.legend(clusters)
    table = plain_table("cluster", "share", "on the map")
    for k, place in enumerate(legend.classes_of.tolist()):
        table.add_row(str(k), f"{100 * shares[k]:.1f}%", "left out" if place < 0 else legend.names[place])
    return table
