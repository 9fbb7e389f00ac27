"""State of a run as it is now: classes, points, what can be undone, what works on it. The page asks every 2 seconds."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.errors import SegpipeError, UsageError
from segpipe.commands.view.opened_run import OpenedRun, Signature, signature
from segpipe.commands.view.point_file import POINTS, PointFile
from segpipe.inference.carry_over import begin_naming
from segpipe.records.class_names import Naming
from segpipe.records.legend import Legend
from segpipe.records.palette import hex_color
from segpipe.store.class_names import CLASSES, clustering, load_naming, speaks_of
from segpipe.store.guide import open_guide

_WATCHED = (
    CLASSES,
    POINTS,
    "manifest.json",
    "config.yaml",
    "cover/cover.json",
    "corpus/corpus.jsonl",
    "clusters/clusters.npz",
    "splits.npz",
    "masks/header.json",
    "masks/index.jsonl",
)


class LiveState:
    """Looks at the files of a run and says what the page shows; what did not change is not read again."""

    def __init__(self, run: OpenedRun, points: PointFile) -> None:
        self._run, self._points = run, points
        self._lock = threading.Lock()
        self._seen: Signature | None = None
        self._kept: dict[str, Any] = {}
        self._version = 0

    def now(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """The state; `more` is what others know: undo, redo, job, drawing."""
        with self._lock:
            seen = signature(self._run.root, _WATCHED)
            if seen != self._seen:
                self._kept, self._seen = self._look(), seen
                self._version += 1
            job = more.get("job")
            own = job is not None and job["failed"] is None  # that works on the run is no news
            busy = None if own else who_works(self._run)
            return {"version": self._version, **self._kept, "busy": busy, **more}

    def _look(self) -> dict[str, Any]:
        found: dict[str, Any] = {"artefacts": self._run.artefacts, "classes": [], "own": [], "points": []}
        found |= {"stale": [], "refresh": None, "error": None}
        for part in (self._classes, self._listed, self._stale):
            try:
                found |= part()
            except (SegpipeError, OSError) as error:
                found["error"] = found["error"] or str(error)
        return found

    def _classes(self) -> dict[str, Any]:
        naming = naming_of(self._run)
        return describe_classes(self._run, naming, naming.legend(self._run.mask_clusters))

    def _listed(self) -> dict[str, Any]:
        return {"points": [point.described() for point in self._points.read()]}

    def _stale(self) -> dict[str, Any]:
        run_dir, settings = self._run.run_dir, self._run.settings
        stale = pipeline.outdated(run_dir, settings)
        return {"stale": stale, "refresh": pipeline.refresh_command(run_dir, settings, stale)}


def naming_of(run: OpenedRun) -> Naming:
    """What is said of the clusters of a run's masks; without a classes.yaml what `segpipe name` would begin with.

    Raises:
        UsageError: the file is wrong, or speaks of clusters that the run had before.
    """
    path, clusters = run.root / CLASSES, run.mask_clusters
    now = clustering(run.run_dir)
    if not path.exists():
        return begin_naming(clusters, now, open_guide(run.run_dir))
    written = load_naming(path)
    if not speaks_of(written.naming, now):
        raise UsageError(
            f"{path} speaks of clusters that this run no longer has; `segpipe name {run.root}` carries the names over "
            "to those that it has now"
        )
    written.legend(clusters)
    return written.naming


def describe_classes(run: OpenedRun, naming: Naming, legend: Legend) -> dict[str, Any]:
    """One line per cluster, and each cluster's own share of the pixels."""
    clusters = len(legend.classes_of)
    numbers, held, _ = run.counts
    pixels, places = run.pixels, legend.classes_of[held]
    pairs = np.unique((numbers * legend.classes + places)[places >= 0])
    images = np.bincount(pairs % legend.classes, minlength=legend.classes)
    own = pixels / max(1.0, pixels.sum())
    shown = legend.classes_of >= 0
    shares = np.bincount(legend.classes_of[shown], weights=pixels[shown], minlength=legend.classes)
    shares = shares / max(1.0, shares.sum())
    roots = [_root(naming, members) for members in legend.clusters_of]
    intervals = _intervals(run, legend)
    lines = []
    for k in range(clusters):
        said, place = naming.entries[k], int(legend.classes_of[k])
        low, high = intervals.get(place, (None, None))
        into = said.merge_into
        lines.append(
            {
                "cluster": k,
                "name": said.name,
                "color": hex_color(said.color),
                "merge_into": into if into is None or isinstance(into, int) else _target(naming, into, k),
                "ignore": said.ignore,
                "root": None if place < 0 else roots[place],
                "share": 0.0 if place < 0 else float(shares[place]),
                "low": low,
                "high": high,
                "images": 0 if place < 0 else int(images[place]),
            }
        )
    return {"classes": lines, "own": own.tolist()}


def _root(naming: Naming, members: list[int]) -> int:
    """Of the clusters of a class the first that is merged into no other: it has its name and color."""
    return next((k for k in members if naming.entries[k].merge_into is None), members[0])


def _target(naming: Naming, name: str, cluster: int) -> int | None:
    holders = [k for k, entry in naming.entries.items() if entry.name == name and k != cluster]
    return next((k for k in holders if naming.entries[k].merge_into is None), holders[0] if holders else None)


def _intervals(run: OpenedRun, legend: Legend) -> dict[int, tuple[float | None, float | None]]:
    """The 95% interval of each class, as `cover` has found it for a class of the same clusters of the same masks.

    Names and colors do not matter to it; which clusters are left out does, for shares are of those that are not.
    """
    cover, stages = run.cover, run.run_dir.manifest().stages
    shown = np.flatnonzero(legend.classes_of >= 0).tolist()
    if cover is None or sorted(k for own in cover.clusters for k in own) != shown:
        return {}
    if {"cover", "refine"} <= stages.keys():
        read = stages["cover"].parts.get("inputs", {}).get("refine")
        if read is not None and read != stages["refine"].artefact:
            return {}
    rows = {row.number: (row.low, row.high) for row in cover.whole.shares}
    found = {tuple(sorted(own)): rows.get(number, (None, None)) for number, own in enumerate(cover.clusters)}
    return {place: found[tuple(own)] for place, own in enumerate(legend.clusters_of) if tuple(own) in found}


def who_works(run: OpenedRun) -> str | None:
    """Which other process is changing the run; None where none is."""
    try:
        said = files.read_json(run.root / ".lock.json")
        process = int(said["pid"])
        if process == os.getpid():
            return None
        os.kill(process, 0)
    except PermissionError:  # it lives, and is another user's
        return f"another command works on this run (process {process} since {said.get('since')})"
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return None
    return f"another command works on this run (process {process} since {said.get('since')})"
