"""Cluster: as many classes as wanted, by a tree of many small clusters or by k-means, whichever the corpus bears.

Reads  corpus/    which crops belong to one image
       features/  patch features of every crop
       head/      the head that turns features into codes
Writes clusters/  tree.npz (small clusters, how they merge, a pool of patches), clusters.npz (the classes)

The tree and the pool do not depend on the number of classes: when only `k` changed nothing before them is read again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from segpipe.base import files
from segpipe.base.config import Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.ops.draws import some
from segpipe.ops.kmeans import spherical_kmeans
from segpipe.ops.knn import unit_rows
from segpipe.ops.smoothing import smooth
from segpipe.ops.tree import ALIKE, count_alike, cut, merge
from segpipe.parts.choosing import Ways, rehearse
from segpipe.parts.coding import HEAD, open_head
from segpipe.parts.primaps import refit
from segpipe.parts.sample import Block, Sample, open_sample
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.store.clusters import load_tree, save_clusters, save_tree
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir

if TYPE_CHECKING:
    from segpipe.nn.head import Head

NAME = "cluster"
ARTEFACT = "clusters"
NEEDS = ("index", "extract", "train")
FORMAT = 3

TREE = "tree.npz"
_PER_CLASS = 4  # small clusters for each class wanted, at least
_HEIGHTS = 100  # merges told, from the last
_POOL = 200_000  # patches kept with the tree: 25 MB with codes of 64

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

log = logging.getLogger(__name__)


class Config(Section):
    """Settings of `cluster`."""

    k: Annotated[int, Field(ge=1, le=65535)] | Literal["auto"] = setting(
        27,
        f"number of clusters, the classes of the masks; auto = merge while patches agree by a mean cosine of {ALIKE}",
    )
    method: Literal["auto", "tree", "kmeans"] = setting(
        "auto", "tree = merge small clusters; kmeans = plain k-means; auto = what halves of the images agree on more"
    )
    prototypes: int = setting(120, "small clusters of the tree, 4 for each cluster at least", ge=1, le=4096)
    smooth: float = setting(0.5, "weight of the 8 neighbors of a patch in its code, against 1 of its own", ge=0, le=1)
    restarts: int = setting(3, "independent k-means runs, of which the tightest is kept", ge=1)
    iterations: int = setting(30, "steps of each k-means run", ge=1)
    patches: int = setting(1_000_000, "most patches clustered; of more an even random sample is taken", ge=1)
    primaps: int = setting(0, "steps of PriMaPs-EM, which fits the clusters anew to regions of alike patches", ge=0)
    seed: int = setting(0, "seed of the sample and of every restart", ge=0)


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    wanted: int | Literal["auto"]
    k: int
    """Clusters; fewer than wanted where there are fewer distinct patches."""
    method: str
    """tree or kmeans."""
    agreements: dict[str, float]
    """How well halves of the images agree on each; empty where there was no choice."""
    patches: int
    """Patches clustered."""
    of: int
    """Patches that show image, in the whole corpus."""
    dim: int
    prototypes: int
    inertia: float
    """Mean cosine of patches to their small cluster's center; larger is tighter."""
    restarts: list[float]
    """The same of every restart."""
    shares: list[float]
    """Share of the clustered patches, cluster by cluster, the largest first."""
    heights: list[float]
    """Mean cosine between the members of the two clusters that were merged last, next to last, and so on: the first
    left 1 cluster, the second 2."""
    alike: float
    """Mean cosine down to which `auto` merges."""
    cut_only: bool
    """The tree was there already."""


def grow(
    sample: Sample, images: Int64, encode: Callable[[Block], Float32], config: Config, *, origin: str, workers: int
) -> ClusterTree:
    """Find small clusters and the order in which they merge.

    Args:
        sample: the patches.
        images: (n,) image of every crop.
        encode: a block to the vectors (m, dim) of the patches taken.
        config: settings.
        origin: what the tree is made from, kept with it.
        workers: threads.

    Raises:
        UsageError: some codes are not finite.
    """
    vectors = sample.collect(encode)
    if not np.isfinite(vectors).all():
        raise UsageError("codes of some patches are not finite numbers; lower train.lr and run `segpipe train` again")
    units, _ = unit_rows(vectors)
    found = spherical_kmeans(
        units,
        k=prototypes(config),
        restarts=config.restarts,
        iterations=config.iterations,
        seed=config.seed,
        workers=workers,
    )
    centers, sizes, merges = merge(units, found.centers)
    pool = some(len(units), _POOL, np.random.default_rng((config.seed, 4)))
    return ClusterTree(
        centers=centers,
        sizes=sizes,
        merges=merges,
        inertia=found.inertia,
        restarts=found.restarts,
        pool=units[pool].astype(np.float16),
        owners=np.repeat(images, sample.counts)[pool].astype(np.int32),
        patches=len(sample),
        of=int(sample.valid.counts().sum()),
        origin=origin,
    )


def prototypes(config: Config) -> int:
    """How many small clusters to look for."""
    return config.prototypes if config.k == "auto" else max(config.prototypes, _PER_CLASS * config.k)


def encode_block(head: Head, block: Block, *, share: float) -> Float32:
    """Smoothed codes (m, dim) of the patches that were taken."""
    from segpipe.nn.head import codes  # brings torch: only a stage at work pays for it

    fields = codes(head, block.tokens)
    each = zip(fields, block.valid, block.taken, strict=True)
    return np.concatenate([smooth(field, valid, share)[taken] for field, valid, taken in each])


def cut_tree(tree: ClusterTree, k: int, *, share: float) -> tuple[ClusterModel, Int64]:
    """The clusters of a tree cut at k, the largest first, and their sizes."""
    members = cut(tree.merges, k)
    sizes = np.bincount(members, weights=tree.sizes).astype(np.int64)
    order = np.argsort(-sizes, kind="stable")
    place = np.argsort(order)
    return ClusterModel(tree.centers, tree.inertia, members=place[members], smooth=share), sizes[order]


def plain_kmeans(tree: ClusterTree, k: int, config: Config, *, workers: int) -> tuple[ClusterModel, Int64]:
    """The clusters of k-means on the pool, the largest first, and their sizes."""
    found = spherical_kmeans(
        tree.pool.astype(np.float32),
        k=k,
        restarts=max(config.restarts, 5),
        iterations=config.iterations,
        seed=config.seed,
        workers=workers,
    )
    return ClusterModel(found.centers, found.inertia, smooth=config.smooth), found.sizes


def choose(tree: ClusterTree, k: int, config: Config, *, workers: int) -> tuple[str, dict[str, float]]:
    """The way to k clusters, and how well halves of the images agree on each where there was a choice."""
    if config.method != "auto":
        return config.method, {}
    marks = rehearse(tree, Ways(k, prototypes(config)), seed=config.seed, workers=workers)
    if not marks:
        return "tree", {}
    chosen = max(marks, key=lambda name: marks[name])  # the tree where they are equal
    log.info("halves of the images agree by %s; kept: %s", ", ".join(f"{n} {v:.3f}" for n, v in marks.items()), chosen)
    return chosen, marks


def origin_of(config: Config, run_dir: RunDir) -> str:
    """What a tree depends on: the artefacts read and all settings but the number of clusters."""
    stages = run_dir.manifest().stages
    inputs = {name: stages[name].artefact for name in NEEDS if name in stages}
    head = hashlib.sha256((run_dir.path("head") / HEAD).read_bytes()).hexdigest()
    settings = config.identity() | {"k": None, "method": None, "primaps": None, "prototypes": prototypes(config)}
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
    encode = partial(encode_block, head, share=config.smooth)
    images = np.array([crop.image for crop in load_corpus(run_dir.path("corpus")).crops], np.int64)
    return grow(sample, images, encode, config, origin=origin, workers=runtime.workers), False


def cost(config: Config, work: Work) -> Cost:
    """k-means of codes, on features of about 784 patches a crop."""
    patches = min(config.patches, 784 * work.crops)
    operations = 2 * config.restarts * config.iterations * patches * prototypes(config) * 70
    return Cost(operations / work.gflops / 1e9 + work.crops * 0.003, 5e4)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Find the tree, or take the one that is there; find the clusters."""
    tree, kept = find_tree(config, run_dir, runtime)
    k = count_alike(tree.merges) if config.k == "auto" else config.k
    method, agreements = choose(tree, k, config, workers=runtime.workers)
    if method == "tree":
        model, sizes = cut_tree(tree, k, share=config.smooth)
    else:
        model, sizes = plain_kmeans(tree, k, config, workers=runtime.workers)
    if config.k == "auto":
        log.info("cluster.k=auto: %d clusters", model.clusters)
    elif model.clusters < k:
        log.warning("cluster.k=%d: the codes of this corpus form only %d distinct clusters", k, model.clusters)
    if config.primaps:
        store, head = open_codes(run_dir, runtime)
        weights = tree.sizes if method == "tree" else sizes
        model = refit(model, weights, head, store, steps=config.primaps, seed=config.seed, runtime=runtime)
    with run_dir.writing(ARTEFACT) as out:
        save_tree(tree, out / TREE)
        save_clusters(model, out / "clusters.npz")
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
        alike=ALIKE,
        cut_only=kept,
    )
