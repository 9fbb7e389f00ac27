"""Splits of a finished run: cut a cluster further or join it again; only pixels of that cluster change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from segpipe import pipeline
from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Runtime
from segpipe.commands.name import cluster_split as splitting
from segpipe.inference.carry_over import new_colors
from segpipe.records.class_names import Naming
from segpipe.records.clusters import Split
from segpipe.store.clusters import SPLITS, load_tree, open_clusters, own_splits, save_splits, whole_clustering
from segpipe.store.run_dir import RunDir


@dataclass(frozen=True, slots=True)
class Change:
    """What came of it."""

    naming: Naming
    origin: Mapping[int, int]
    """Number now to number before, of all clusters that kept their entry."""
    notes: Sequence[str]
    """What happened, a line each."""


def split_cluster(
    run_dir: RunDir, naming: Naming, cluster: int, runtime: Runtime, *, into: int, by: splitting.By = "auto"
) -> Change:
    """Cut a cluster into parts and make the masks anew where it has pixels.

    The largest part keeps the number, the others get the next free ones, so all other clusters keep theirs. What was
    cut is kept in `splits.npz`, which `refine` reads.

    Args:
        run_dir: the draft of a run that is up to date up to `refine`.
        naming: what is said of its clusters.
        cluster: which.
        runtime: workers, progress.
        into: parts wanted; 1 joins again all that was cut off the cluster.
        by: which way; see `parts.splitting.cut_cluster`.

    Raises:
        UsageError: the cluster cannot be cut so.
        CorpusError: an image file is gone.
    """
    if into < 2:
        splits, change = _joined(run_dir, naming, cluster, into)
    else:
        splits, change = _cut(run_dir, naming, cluster, runtime, into=into, by=by)
    settings, stage = pipeline.resolve(run_dir), pipeline.BY_NAME["refine"]
    if splits:
        save_splits(splits, run_dir.root / SPLITS, of=whole_clustering(run_dir))
    else:
        (run_dir.root / SPLITS).unlink()
    step = pipeline.step_of(stage, settings, run_dir, run_dir.manifest())
    pipeline.run_stage(step, settings, run_dir, runtime)
    return change


def _cut(
    run_dir: RunDir, naming: Naming, cluster: int, runtime: Runtime, *, into: int, by: splitting.By
) -> tuple[Sequence[Split], Change]:
    model, tree = open_clusters(run_dir), load_tree(run_dir.path("clusters") / "tree.npz")
    found = splitting.cut_cluster(model, tree, cluster, into, by=by, workers=runtime.workers)
    split, whole = found.split, naming.entries[cluster]
    entries, lost = splitting.split_entries(naming, split, new_colors(naming, split.parts - 1))
    how = "along the tree" if found.by == "tree" else f"by k-means of {found.patches} of its patches"
    said = f"cluster {cluster} ({whole.name})" if whole.name else f"cluster {cluster}"
    shares = zip(split.numbers.tolist(), found.shares, strict=True)
    notes = [
        f"{said} was cut {how}: {', '.join(f'{k} has {share:.0%} of them' for k, share in shares)}; "
        f"`--split {cluster} --into 1` joins them again"
    ]
    if whole.name:
        names = " or ".join(entries[k].name for k in split.numbers.tolist())
        notes.append(f"labels called {whole.name} do not stand for {names}: rename parts that are still {whole.name}")
    if whole.merge_into is not None:
        notes.append(f"its parts stand by themselves; it was merged into {whole.merge_into} before")
    notes += [f"cluster {k} was merged into {whole.name!r} and joins cluster {cluster} now" for k in lost]
    origin = {k: k for k in naming.entries}
    return (*model.splits, split), Change(replace(naming, entries=entries), origin, notes)


def _joined(run_dir: RunDir, naming: Naming, cluster: int, into: int) -> tuple[Sequence[Split], Change]:
    splits = own_splits(run_dir)
    parts = splitting.parts_of(splits, cluster)
    if len(parts) == 1:
        raise UsageError(f"{named('into', into)}: nothing was split off cluster {cluster}; give 2 or more")
    kept, numbers = splitting.join_parts(splits, cluster)
    entries = splitting.join_entries(naming, cluster, parts, numbers)
    notes = [f"clusters {', '.join(map(str, parts))} are one again: {numbers[cluster]}"]
    moved = [f"{was} is {now} now" for was, now in numbers.items() if was != now and was not in parts]
    notes += [f"later numbers close up: {', '.join(moved)}"] if moved else []
    origin = {now: was for was, now in numbers.items() if was not in parts or was == cluster}
    return kept, Change(replace(naming, entries=entries), origin, notes)
