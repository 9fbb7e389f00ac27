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
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from segpipe.base import files
from segpipe.base.config import AbsolutePath, Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Runtime
from segpipe.inference.codes import HEAD, open_head
from segpipe.inference.patch_sampler import open_sample
from segpipe.ops.clustering.linkage import MERGE_COSINE, count_classes
from segpipe.records.clusters import ClusterTree
from segpipe.records.point_rules import PointRules, PointsIn, without_later
from segpipe.stages.cluster.hierarchy import POOL, HierarchyConfig, grow
from segpipe.stages.cluster.model_selection import SelectionConfig, choose
from segpipe.store.clusters import load_tree, save_clusters, save_tree
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.guide import GUIDE, save_guide
from segpipe.store.run_dir import RunDir

if TYPE_CHECKING:
    from segpipe.nn.head import Head

NAME = "cluster"
ARTEFACT = "clusters"
NEEDS = ("index", "extract", "train")
FORMAT = 6
FILES = {
    "guide.json": "which labelled points steered the classes; absent where no label took part",
    "clusters.npz": "`centers` (k, c) float32: the classes' centers among the codes",
    "tree.npz": (
        "`centers` and `sizes` of the small clusters, `merges` in scipy's linkage format, and a pool of patches"
    ),
}

TREE = "tree.npz"
_PER_CLASS = 4  # small clusters for each class wanted, at least
_HEIGHTS = 100  # merges told, from the last
_GUIDE = ("guide", "guide_classes", "hold_out", "skip_outside", "points_in")

Int64 = npt.NDArray[np.int64]

log = logging.getLogger(__name__)


class Config(Section):
    """Settings of `cluster`."""

    k: Annotated[int, Field(ge=1, le=65535)] | Literal["auto"] = setting(
        27,
        "number of clusters, the classes of the masks; auto = merge while patches agree by a mean cosine of "
        f"{MERGE_COSINE}",
    )
    method: Literal["auto", "tree", "kmeans"] = setting(
        "auto",
        f"tree = merge small clusters of all patches; kmeans = plain k-means of an even sample of {POOL}; auto = the "
        "one by whose classes patches that look alike agree better (neighbor agreement, weighted by entropy)",
    )
    prototypes: int = setting(120, "small clusters of the tree, 4 for each cluster at least", ge=1, le=4096)
    smooth: float = setting(0.5, "weight of the 8 neighbors of a patch in its code, against 1 of its own", ge=0, le=1)
    n_init: int = setting(
        3, "independent k-means runs, of which the tightest is kept", ge=1, le=1000, was=("restarts",)
    )
    max_iter: int = setting(30, "steps of each k-means run", ge=1, le=100_000, was=("iterations",))
    patches: int = setting(
        1_000_000,
        "most patches that the first steps of k-means see, an even random sample; the last steps see all patches",
        ge=1,
    )
    primaps: int = setting(
        0, "steps of PriMaPs-EM, which fits the clusters anew to regions of alike patches", ge=0, le=1_000_000
    )
    seed: int = setting(0, "seed of the sample and of every k-means run", ge=0)
    guide: AbsolutePath | None = setting(
        None,
        "labelled points that steer the classes: a CSV, or a folder of index images; null = no label takes part",
        flags=("--guide",),
        metavar="DIR|CSV",
    )
    guide_classes: AbsolutePath | None = setting(
        None, "text file of the guide's class names, one per line in index order", flags=("--classes",), metavar="FILE"
    )
    skip_outside: bool = setting(
        False, "leave out points of the guide that lie outside their image, and say how many", flags=("--skip-outside",)
    )
    points_in: PointsIn = setting(
        "auto",
        "picture that the guide's points count in where EXIF turns it: displayed, or stored as in CoralNet",
    )
    hold_out: float = setting(
        0.0,
        "share of the guide's images, drawn by seed, that do not steer, so that `evaluate` may judge by them",
        flags=("--hold-out",),
        ge=0,
        lt=1,
    )

    def identity(self) -> dict[str, Any]:
        """As of `Section`; without a guide, and its newer settings, what it was before there were any.

        So earlier runs stay up to date.
        """
        found = super().identity()
        if self.guide is not None:
            return without_later(found)
        return {key: found[key] for key in found if key not in _GUIDE}


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


def prototypes(config: Config) -> int:
    """How many small clusters to look for."""
    return config.prototypes if config.k == "auto" else max(config.prototypes, _PER_CLASS * config.k)


def origin_of(config: Config, run_dir: RunDir) -> str:
    """What a tree depends on: the artefacts read and all settings but the number of clusters."""
    stages = run_dir.manifest().stages
    inputs = {name: stages[name].artefact for name in NEEDS if name in stages}
    head = hashlib.sha256((run_dir.path("head") / HEAD).read_bytes()).hexdigest()
    settings = {key: value for key, value in config.identity().items() if key not in _GUIDE}
    settings |= {"k": None, "method": None, "primaps": None, "prototypes": prototypes(config)}
    return files.digest({"format": FORMAT, "settings": settings, "inputs": inputs, "head": head})


def open_codes(run_dir: RunDir, runtime: Runtime) -> tuple[FeatureStore, Head]:
    """The features and the head that makes codes of them."""
    return FeatureStore(run_dir.path("features")), open_head(run_dir.path("head")).to(runtime.device)


def find_tree(config: Config, run_dir: RunDir, runtime: Runtime) -> tuple[ClusterTree, bool]:
    """The tree of an earlier run of this stage where it still holds, or a new one; and whether it was there."""
    origin = origin_of(config, run_dir)
    with suppress(UsageError):  # none, or a damaged one
        tree = load_tree(run_dir.root / ARTEFACT / TREE)
        if tree.origin == origin:
            log.info("the tree of %d small clusters is there", len(tree.centers))
            return tree, True
    store, head = open_codes(run_dir, runtime)
    sample = open_sample(store, most=config.patches, seed=config.seed, track=runtime.track)
    groups = load_corpus(run_dir.path("corpus")).groups
    settings = HierarchyConfig(config.smooth, prototypes(config), config.n_init, config.max_iter, config.seed)
    grown = grow(
        sample,
        groups if len(np.unique(groups)) > 1 else np.arange(len(groups)),
        head,
        settings,
        origin=origin,
        workers=runtime.workers,
        scratch=run_dir.root,
    )
    return grown, False


def cost(config: Config, work: Work) -> Cost:
    """k-means of codes, on features of about 784 patches a crop; disk for codes while it works."""
    every = 784 * work.crops
    patches = min(config.patches, every)
    passes = 3 if every > patches else 0
    operations = 2 * (config.n_init * config.max_iter * patches + passes * every) * prototypes(config) * 70
    return Cost(operations / work.gflops / 1e9 + work.crops * 0.003, 5e4 + (every * 140 if passes else 0))


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Find the tree, or take the one that is there; find the clusters.

    Raises:
        UsageError: codes are not finite, or a guide or what goes with it is wrong.
        CorpusError: nothing can be clustered, or no label of a guide belongs to an image.
    """
    _check_guide(config)
    tree, kept = find_tree(config, run_dir, runtime)
    k = count_classes(tree.merges) if config.k == "auto" else config.k
    guide = None
    if config.guide is None:
        ways = SelectionConfig(config.method, config.smooth, config.n_init, config.max_iter, config.seed)
        method, agreements, model, sizes = choose(tree, k, ways, workers=runtime.workers)
    else:
        from segpipe.stages.cluster.steering import GuideSettings, guided

        store, head = open_codes(run_dir, runtime)
        wanted = None if config.k == "auto" else config.k
        rules = PointRules(config.skip_outside, config.points_in, f"{NAME}.skip_outside")
        settings = GuideSettings(
            config.guide, config.guide_classes, rules, config.hold_out, wanted, config.smooth, config.seed
        )
        model, sizes, guide = guided(settings, tree, head, store, run_dir, runtime)
        method, agreements = "guided", {}
        log.info("classes %s; %d labelled images held out", guide.told, guide.held_out)
    if config.k == "auto":
        log.info("cluster.k=auto: %d clusters", model.clusters)
    elif model.clusters < k:
        log.warning("cluster.k=%d: the codes of this corpus form only %d distinct clusters", k, model.clusters)
    if config.primaps:
        from segpipe.stages.cluster.primaps import refit

        store, head = open_codes(run_dir, runtime)
        weights = tree.sizes if method == "tree" else sizes
        model = refit(model, weights, head, store, steps=config.primaps, seed=config.seed, runtime=runtime)
    with run_dir.writing(ARTEFACT) as out:
        save_tree(tree, out / TREE)
        save_clusters(model, out / "clusters.npz")
        if guide is not None:
            save_guide(guide, out / GUIDE)
    return Summary(
        wanted=config.k,
        k=model.clusters,
        method=method,
        agreements=agreements,
        patches=tree.patches,
        of=tree.of,
        dim=tree.centers.shape[1],
        prototypes=len(tree.centers),
        inertia=tree.inertia,
        restarts=list(tree.restarts),
        shares=(sizes / sizes.sum()).round(6).tolist(),
        heights=(1 - tree.merges[::-1, 2]).round(6).tolist()[:_HEIGHTS],
        alike=MERGE_COSINE,
        cut_only=kept,
        guided=guide.told if guide else None,
    )


def _check_guide(config: Config) -> None:
    """Refuse settings that do not go together."""
    if config.guide is None:
        for name in ("guide_classes", "hold_out"):
            if value := getattr(config, name):
                raise UsageError(
                    f"{named(f'cluster.{name}', value)}: nothing steers; give {named('cluster.guide')} too, or leave "
                    "it out"
                )
    elif config.method == "kmeans" or config.primaps:
        which = named("cluster.primaps", config.primaps) if config.primaps else named("cluster.method", "kmeans")
        raise UsageError(f"{which}: points steer the cut of the tree alone; leave it out, or {named('cluster.guide')}")
