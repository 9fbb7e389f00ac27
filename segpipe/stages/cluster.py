"""Cluster: the classes, found over the whole corpus at once.

Reads  corpus/    only its fingerprint: which crops there are
       features/  patch features, a few crops at a time
       head/      the head that turns features into codes
Writes clusters/  clusters.npz, k-means of the codes; baseline.npz, PCA and k-means of the features themselves
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base import parallel
from segpipe.base.config import Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.runtime import Runtime, Track
from segpipe.ops.kmeans import Clustering, Moments, spherical_kmeans
from segpipe.records.clusters import ClusterModel
from segpipe.store.checkpoints import load_tensors
from segpipe.store.clusters import save_clusters
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir
from segpipe.store.valid import Valid

NAME = "cluster"
ARTEFACT = "clusters"
NEEDS = ("index", "extract", "train")
FORMAT = 1

_BLOCK = 16  # crops read at once

Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
KMeans = Callable[[Float32], Clustering]

log = logging.getLogger(__name__)


class Config(Section):
    """Settings of `cluster`."""

    k: int = setting(27, "number of clusters, the classes of the masks", ge=1, le=65535)
    restarts: int = setting(5, "independent k-means runs, of which the tightest is kept", ge=1)
    iterations: int = setting(50, "steps of each k-means run", ge=1)
    patches: int = setting(1_000_000, "most patches clustered; of more an even random sample is taken", ge=1)
    baseline_dim: int = setting(64, "principal components that the baseline clusters; 0 = the whole features", ge=0)
    seed: int = setting(0, "seed of the sample and of every restart", ge=0)


class Found(BaseModel):
    """One clustering."""

    k: int
    """Clusters; fewer than wanted where there are fewer distinct patches."""
    dim: int
    inertia: float
    """Mean cosine of patches to their cluster's center; larger is tighter."""
    restarts: list[float]
    """The same of every restart."""
    shares: list[float]
    """Share of the clustered patches, cluster by cluster, the largest first."""


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    wanted: int
    patches: int
    """Patches clustered."""
    of: int
    """Patches that show image, in the whole corpus."""
    clusters: Found
    baseline: Found


def sample_counts(counts: Int64, *, most: int, seed: int) -> Int64:
    """How many patches of each crop to take, so that `most` of all are taken evenly, without repeats.

    Args:
        counts: (n,) valid patches of each crop.
        most: patches wanted; all are taken where there are no more.
        seed: of the draw.
    """
    if counts.sum() <= most:
        return counts
    # the law of how an even draw of single patches falls on the crops, without a list of all patches
    rng = np.random.default_rng((seed, 0))
    return np.asarray(rng.multivariate_hypergeometric(counts, most, method="marginals"), np.int64)


@dataclass(frozen=True, slots=True)
class Sample:
    """The patches to cluster; every pass reads the same ones in the same order, some crops at a time."""

    store: FeatureStore
    valid: Valid
    counts: Int64
    """(n,) valid patches to take of each crop."""
    seed: int
    """Crop i draws from (seed, 1, i)."""
    track: Track

    def __len__(self) -> int:
        return int(self.counts.sum())

    def read(self, crops: Int64) -> Float16:
        """The patches (m, d) of these crops that belong to the sample."""
        taken = []
        for crop, tokens, shows in zip(crops.tolist(), self.store.batch(crops), self.valid(crops), strict=True):
            patches = tokens[shows]
            if self.counts[crop] < len(patches):
                rng = np.random.default_rng((self.seed, 1, crop))
                patches = patches[np.sort(rng.choice(len(patches), self.counts[crop], replace=False))]
            taken.append(patches)
        return np.concatenate(taken)

    def collect(self, use: Callable[[Float16], Float32]) -> Float32:
        """Pass all patches through `use`, (m, d) to (m, dim), and join what comes out."""
        crops = np.flatnonzero(self.counts)
        blocks = [crops[i : i + _BLOCK] for i in range(0, len(crops), _BLOCK)]
        parts = parallel.thread_map(self.read, blocks, workers=1, ahead=3)
        out, at = np.empty((0, 0), np.float32), 0
        for part in self.track(parts, total=len(blocks), unit=f"blocks of {_BLOCK} crops"):
            found = use(part)
            if not at:
                out = np.empty((len(self), found.shape[1]), np.float32)
            out[at : at + len(part)] = found
            at += len(part)
        return out


def open_sample(store: FeatureStore, *, most: int, seed: int, track: Track) -> Sample:
    """Choose the patches to cluster.

    Raises:
        CorpusError: no patch shows image.
    """
    valid = Valid(store)
    counts = sample_counts(valid.counts(), most=most, seed=seed)
    if not counts.any():
        raise CorpusError("no crop shows any image (all patches are without content), so there is nothing to cluster")
    return Sample(store, valid, counts, seed, track)


def cluster_codes(
    sample: Sample, encode: Callable[[Float16], Float32], kmeans: KMeans, *, components: int
) -> tuple[Clustering, ClusterModel]:
    """Cluster the codes; in the same pass find the principal components of the features.

    Args:
        sample: the patches.
        encode: features (m, d) to codes (m, dim).
        kmeans: the clustering.
        components: how many; 0 = all.

    Returns:
        The clusters of the codes, and a model that projects features and has no clusters of its own.

    Raises:
        UsageError: some codes are not finite.
    """
    dim = sample.store.header.dim
    moments = Moments(dim)

    def both(patches: Float16) -> Float32:
        moments.add(patches)
        return encode(patches)

    vectors = finite(sample.collect(both), "codes of some patches are not finite numbers; lower train.lr")
    mean, directions = moments.principal_components(components or dim)
    return kmeans(vectors), ClusterModel(np.eye(1, len(directions), dtype=np.float32), 0.0, mean, directions)


def cluster_features(sample: Sample, projection: ClusterModel, kmeans: KMeans) -> Clustering:
    """The baseline: cluster the features on their principal components.

    Raises:
        UsageError: some features are not finite.
    """
    message = "features of some patches are not finite numbers; check extract.weights and extract again"
    return kmeans(finite(sample.collect(projection.project), message))


def finite(vectors: Float32, message: str) -> Float32:
    """Pass vectors on, or raise UsageError with the message."""
    if not np.isfinite(vectors).all():
        raise UsageError(message)
    return vectors


def describe(found: Clustering, *, wanted: int, what: str) -> Found:
    """The facts of a clustering; warns where there are fewer clusters than wanted."""
    k, dim = found.centers.shape
    if k < wanted:
        log.warning("cluster.k=%d: the %s of this corpus form only %d distinct clusters", wanted, what, k)
    shares = (found.sizes / found.sizes.sum()).round(6).tolist()
    return Found(k=k, dim=dim, inertia=found.inertia, restarts=list(found.restarts), shares=shares)


def cost(config: Config, work: Work) -> Cost:
    """k-means of codes and of the baseline, on features of about 784 patches a crop, which are read twice."""
    patches = min(config.patches, 784 * work.crops)
    operations = 2 * config.restarts * config.iterations * patches * config.k * 140
    return Cost(operations / work.gflops / 1e9 + work.crops * 0.004, 5e4)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Cluster the codes, and the features as the baseline."""
    from segpipe.nn.head import build_head, codes  # brings torch: only a stage at work pays for it

    store = FeatureStore(run_dir.path("features"))
    head = build_head(*load_tensors(run_dir.path("head") / "head.safetensors")).to(runtime.device)
    sample = open_sample(store, most=config.patches, seed=config.seed, track=runtime.track)
    kmeans = partial(
        spherical_kmeans,
        k=config.k,
        restarts=config.restarts,
        iterations=config.iterations,
        seed=config.seed,
        workers=runtime.workers,
    )
    found, projection = cluster_codes(sample, partial(codes, head), kmeans, components=config.baseline_dim)
    base = cluster_features(sample, projection, kmeans)
    with run_dir.writing("clusters") as out:
        save_clusters(ClusterModel(found.centers, found.inertia), out / "clusters.npz")
        save_clusters(replace(projection, centers=base.centers, inertia=base.inertia), out / "baseline.npz")
    return Summary(
        wanted=config.k,
        patches=len(sample),
        of=int(sample.valid.counts().sum()),
        clusters=describe(found, wanted=config.k, what="codes"),
        baseline=describe(base, wanted=config.k, what="features"),
    )
