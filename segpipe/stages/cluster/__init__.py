"""Cluster: as many classes as wanted, by a tree of many small clusters or by k-means, whichever agrees better.

Reads  corpus/    which crops belong to one image
       features/  patch features of every crop
       head/      the head that turns features into codes
       the user's points, where `cluster.guide` names some
Writes clusters/  tree.npz (small clusters, how they merge, a pool of patches), clusters.npz (the classes)

The tree and the pool do not depend on the number of classes: when only `k` changed nothing before them is read again.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base import files
from segpipe.base.cost import Cost, Work
from segpipe.base.runtime import Runtime
from segpipe.inference.codes import HEAD, open_head
from segpipe.ops.clustering.linkage import MERGE_COSINE, count_classes
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.records.guide import Guide
from segpipe.records.point_rules import PointRules
from segpipe.stages.cluster.cluster_settings import GUIDE_SETTINGS, check_guide, prototypes
from segpipe.stages.cluster.cluster_settings import Config as Config
from segpipe.stages.cluster.hierarchy import HierarchyConfig
from segpipe.stages.cluster.model_selection import SelectionConfig, choose
from segpipe.stages.cluster.tree_files import TreeFiles
from segpipe.stages.cluster.tree_rounds import TREE, TreeGrowth
from segpipe.store import unit_files
from segpipe.store.clusters import save_clusters
from segpipe.store.features import FeatureStore
from segpipe.store.guide import GUIDE, save_guide
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Sharing

if TYPE_CHECKING:
    from segpipe.nn.head import Head

NAME = "cluster"
ARTEFACT = "clusters"
NEEDS = ("index", "extract", "train")
PROGRESS = unit_files.FOLDER
FORMAT = 6
FILES = {
    "guide.json": "which labelled points steered the classes; absent where no label took part",
    "clusters.npz": "`centers` (k, c) float32: the classes' centers among the codes",
    "tree.npz": (
        "`centers` and `sizes` of the small clusters, `merges` in scipy's linkage format, and a pool of patches"
    ),
}

_HEIGHTS = 100  # merges told, from the last

Int64 = npt.NDArray[np.int64]

log = logging.getLogger(__name__)


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    wanted: int | Literal["auto"]
    k: int
    """Clusters; fewer than wanted where there are fewer distinct patches."""
    method: str
    """tree, kmeans or guided."""
    agreements: dict[str, float]
    """Neighbor agreement weighted by entropy, by method; empty where there was no choice."""
    patches: int
    """Patches that the first steps of k-means saw."""
    of: int
    """Patches that show image, in the whole corpus: the last steps saw all of them, and sizes count them."""
    dim: int
    prototypes: int
    inertia: float
    """Mean cosine of patches to their small cluster's center; larger is tighter."""
    restarts: list[float]
    """The same of every restart, of the patches that it saw."""
    shares: list[float]
    """Share of the patches, cluster by cluster, the largest first."""
    heights: list[float]
    """Mean cosine between the members of the two clusters that were merged last, next to last, and so on: the first
    left 1 cluster, the second 2."""
    alike: float
    """Mean cosine down to which `auto` merges."""
    cut_only: bool
    """The tree was there already."""
    guided: str | None = None
    """By how many labelled points the classes were steered; None where no label took part."""


def input_files(config: Config) -> list[Path]:
    """The user's points that steer, if any."""
    if config.guide is None:
        return []
    from segpipe.stages.cluster.steering import guide_files

    return guide_files(config.guide, config.guide_classes)


def origin_of(config: Config, run_dir: RunDir) -> str:
    """What a tree depends on: the artefacts read and all settings but the number of clusters."""
    stages = run_dir.manifest().stages
    inputs = {name: stages[name].artefact for name in NEEDS if name in stages}
    head = hashlib.sha256((run_dir.path("head") / HEAD).read_bytes()).hexdigest()
    settings = {key: value for key, value in config.identity().items() if key not in GUIDE_SETTINGS}
    settings |= {"k": None, "method": None, "primaps": None, "prototypes": prototypes(config)}
    return files.digest({"format": FORMAT, "settings": settings, "inputs": inputs, "head": head})


def open_codes(run_dir: RunDir, runtime: Runtime) -> tuple[FeatureStore, Head]:
    """The features and the head that makes codes of them."""
    return FeatureStore(run_dir.path("features")), open_head(run_dir.path("head")).to(runtime.device)


def open_growth(config: Config, run_dir: RunDir, out: Path, runtime: Runtime) -> TreeGrowth:
    """The work on the tree, of which parts can be done by several processes.

    Raises:
        UsageError: settings do not go together.
    """
    check_guide(config)
    settings = HierarchyConfig(
        config.smooth, prototypes(config), config.n_init, config.max_iter, config.patches, config.seed
    )
    return TreeGrowth(settings, run_dir, out, runtime, origin=origin_of(config, run_dir))


def is_laid_out(out: Path) -> bool:
    """Whether it is settled what the tree is grown from."""
    return TreeFiles(out).begun


SHARING = Sharing(open_growth, is_laid_out)


def grow(config: Config, run_dir: RunDir, out: Path, runtime: Runtime) -> tuple[ClusterTree, bool]:
    """The tree of an earlier run of this stage where it still holds, or a new one; and whether it was there.

    What parts have done, or an interrupted attempt, is taken.
    """
    work = open_growth(config, run_dir, out, runtime)
    if not work.fits:
        unit_files.drop_units(out)
        (out / TREE).unlink(missing_ok=True)
        work.lay_out()
    while True:
        work = open_growth(config, run_dir, out, runtime)
        work.write(range(work.units))
        if work.round.last:
            break
        work.close_round()
    tree = work.finish()
    if work.kept:
        log.info("the tree of %d small clusters is there", len(tree.centers))
    return tree, work.kept


@dataclass(frozen=True, slots=True)
class FoundClasses:
    """The classes, and how they were found."""

    method: str
    """tree, kmeans or guided."""
    agreements: dict[str, float]
    """Neighbor agreement by method; empty where there was no choice."""
    model: ClusterModel
    sizes: Int64
    """(clusters,) patches in each."""
    guide: Guide | None = None


def find_classes(config: Config, tree: ClusterTree, run_dir: RunDir, runtime: Runtime) -> FoundClasses:
    """Cut the tree, or cluster its pool, or let points steer; then refit where that is wanted."""
    k = count_classes(tree.merges) if config.k == "auto" else config.k
    if config.guide is None:
        ways = SelectionConfig(config.method, config.smooth, config.n_init, config.max_iter, config.seed)
        found = FoundClasses(*choose(tree, k, ways, workers=runtime.workers))
    else:
        found = _steered(config, config.guide, tree, run_dir, runtime)
    if config.k == "auto":
        log.info("cluster.k=auto: %d clusters", found.model.clusters)
    elif found.model.clusters < k:
        log.warning("cluster.k=%d: the codes of this corpus form only %d distinct clusters", k, found.model.clusters)
    if not config.primaps:
        return found
    from segpipe.stages.cluster.primaps import refit

    store, head = open_codes(run_dir, runtime)
    weights = tree.sizes if found.method == "tree" else found.sizes
    fitted = refit(found.model, weights, head, store, steps=config.primaps, seed=config.seed, runtime=runtime)
    return replace(found, model=fitted)


def _steered(config: Config, guide: Path, tree: ClusterTree, run_dir: RunDir, runtime: Runtime) -> FoundClasses:
    from segpipe.stages.cluster.steering import GuideSettings, guided

    store, head = open_codes(run_dir, runtime)
    wanted = None if config.k == "auto" else config.k
    rules = PointRules(config.skip_outside, config.points_in, f"{NAME}.skip_outside")
    settings = GuideSettings(guide, config.guide_classes, rules, config.hold_out, wanted, config.smooth, config.seed)
    model, sizes, said = guided(settings, tree, head, store, run_dir, runtime)
    log.info("classes %s; %d labelled images held out", said.told, said.held_out)
    return FoundClasses("guided", {}, model, sizes, said)


def cost(config: Config, work: Work) -> Cost:
    """k-means of codes, on features of about 784 patches a crop; disk for codes while it works."""
    every = 784 * work.crops
    patches = min(config.patches, every)
    passes = 3 if every > patches else 0
    operations = 2 * (config.n_init * config.max_iter * patches + passes * every) * prototypes(config) * 70
    kept = 280 * patches + (140 * every if passes else 0)  # codes of 70 numbers
    return Cost(operations / work.gflops / 1e9 + work.crops * 0.003, 5e4 + kept)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Find the tree, or take the one that is there; find the clusters.

    Raises:
        UsageError: codes are not finite, or a guide or what goes with it is wrong.
        CorpusError: nothing can be clustered, or no label of a guide belongs to an image.
    """
    check_guide(config)
    with run_dir.resuming(ARTEFACT) as out:
        tree, kept = grow(config, run_dir, out, runtime)
        found = find_classes(config, tree, run_dir, runtime)
        save_clusters(found.model, out / "clusters.npz")
        if found.guide is not None:
            save_guide(found.guide, out / GUIDE)
    return Summary(
        wanted=config.k,
        k=found.model.clusters,
        method=found.method,
        agreements=found.agreements,
        patches=tree.patches,
        of=tree.of,
        dim=tree.centers.shape[1],
        prototypes=len(tree.centers),
        inertia=tree.inertia,
        restarts=list(tree.restarts),
        shares=(found.sizes / found.sizes.sum()).round(6).tolist(),
        heights=(1 - tree.merges[::-1, 2]).round(6).tolist()[:_HEIGHTS],
        alike=MERGE_COSINE,
        cut_only=kept,
        guided=found.guide.told if found.guide else None,
    )
