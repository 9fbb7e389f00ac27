"""Mine: for every crop, the k other crops whose pooled features look most alike.

Reads  corpus/    which crops belong to one image
       features/  one pooled vector per crop
Writes pairs/     neighbors (n, k) and cosine scores (n, k); no crop is its own neighbor
"""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base.config import Section, setting
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.base.shown import counted
from segpipe.ops.clustering import knn
from segpipe.records.corpus import Corpus
from segpipe.records.pairs import PairIndex
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.pairs import save_pairs
from segpipe.store.run_dir import RunDir

NAME = "mine"
ARTEFACT = "pairs"
NEEDS = ("index", "extract")
FORMAT = 1
FILES = {
    "pairs.npz": "`neighbors` (crops, k) int64, nearest first, and `scores` (crops, k) float32, their cosines",
}

log = logging.getLogger(__name__)


class Config(Section):
    """Settings of `mine`."""

    k: int = setting(7, "neighbors kept per crop", ge=1, le=10_000)
    same_image: bool = setting(False, "let crops of one image pair with each other, as STEGO does")
    index: Literal["auto", "exact", "ivf", "hnsw"] = setting(
        "auto",
        "how neighbors are searched: exact, or approximately by inverted lists or a graph; auto = see exact_below",
    )
    exact_below: int = setting(200_000, "crops from which on auto takes ivf instead of exact", ge=0)


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    crops: int
    k: int
    """Neighbors per crop; fewer than asked for where the corpus is small."""
    wanted: int
    index: str
    same_image: bool
    """Whether crops of one image could be paired."""
    blank: int
    """Crops that show nothing (a zero vector) and are nobody's neighbor."""
    mean_score: float | None
    """Mean cosine of all pairs; None without pairs."""


def find_pairs(
    vectors: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int64] | None,
    *,
    k: int,
    kind: knn.Kind,
    runtime: Runtime,
) -> PairIndex:
    """Pair each row of `vectors` (n, d) with its k most similar other rows by cosine, fewer where there are fewer.

    Args:
        vectors: one per crop.
        groups: (n,) rows that share a group are not paired; None = all pairs are allowed.
        k: neighbors wanted.
        kind: the search.
        runtime: threads and device.
    """
    _, blank = knn.unit_rows(vectors)
    groups = np.arange(len(vectors)) if groups is None else groups
    most = knn.available(groups, blank)
    if k > most and len(vectors) > 1:  # of a single picture nobody expects pairs
        others = f"{counted(most, 'crop')} to pair each crop with, so {most} {'is' if most == 1 else 'are'} kept"
        log.warning("mine.k=%d: this corpus has only %s", k, others)
    if blank.any():
        log.warning("%d of %d crops show nothing and are paired with none", int(blank.sum()), len(vectors))
    return knn.search(vectors, k=min(k, most), groups=groups, kind=kind, workers=runtime.workers, device=runtime.device)


def groups_of(corpus: Corpus, *, same_image: bool) -> npt.NDArray[np.int64] | None:
    """The scene of every crop (n,); None where crops of one may be paired: by setting, or where there is only one."""
    return None if same_image or len(np.unique(corpus.groups)) == 1 else corpus.groups


def pick_kind(index: str, *, crops: int, exact_below: int) -> knn.Kind:
    """The search that `auto` stands for."""
    if index == "auto":
        return "exact" if crops < exact_below else "ivf"
    return {"exact": "exact", "ivf": "ivf", "hnsw": "hnsw"}[index]  # type: ignore[return-value]


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Find the neighbors of every crop."""
    corpus, vectors = load_corpus(run_dir.path("corpus")), FeatureStore(run_dir.path("features")).vectors()
    if len(corpus.crops) != len(vectors):
        raise UsageError(
            f"{run_dir.root}: corpus/ has {len(corpus.crops)} crops, features/ {len(vectors)}; extract again"
        )
    kind = pick_kind(config.index, crops=len(vectors), exact_below=config.exact_below)
    groups = groups_of(corpus, same_image=config.same_image)
    pairs = find_pairs(vectors, groups, k=config.k, kind=kind, runtime=runtime)
    with run_dir.writing("pairs") as out:
        save_pairs(pairs, out)
    _, blank = knn.unit_rows(vectors)
    seen = pairs.scores[~blank]
    return Summary(
        crops=len(vectors),
        k=pairs.neighbors.shape[1],
        wanted=config.k,
        index=kind,
        same_image=groups is None,
        blank=int(blank.sum()),
        mean_score=round(float(seen.mean()), 6) if seen.size else None,
    )
