"""The work of `mine`: neighbors of a corpus's crops, laid out once, then found by one process or several."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.base.shown import counted
from segpipe.ops.clustering import knn
from segpipe.ops.clustering.neighbor_search import NeighborSearch
from segpipe.records.corpus import Corpus
from segpipe.stages.mine.mine_settings import Config, pick_kind
from segpipe.store.array_files import Arrays
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.neighbor_index import load_index, save_index
from segpipe.store.pairs import save_pairs
from segpipe.store.run_dir import RunDir
from segpipe.store.unit_files import FOLDER, load_unit, save_unit, shared_file, unit_file

_LAYOUT, _FOUND, _INDEX = "layout", "found", "index.faiss"

Int64 = npt.NDArray[np.int64]

log = logging.getLogger(__name__)


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


def groups_of(corpus: Corpus, *, same_image: bool) -> Int64 | None:
    """The scene of every crop (n,); None where crops of one may be paired: by setting, or where there is only one."""
    return None if same_image or len(np.unique(corpus.groups)) == 1 else corpus.groups


class Pairing:
    """The pairs of a corpus while they are found: laid out once, then searched by one process or several.

    A unit is a block of crops whose neighbors are searched among all; blocks are cut by the corpus and `mine.k` alone.
    An index that takes long to build, or is not the same twice, is built by who lays out.
    """

    def __init__(self, config: Config, run_dir: RunDir, out: Path, runtime: Runtime) -> None:
        self._config, self._run_dir, self._out, self._runtime = config, run_dir, out, runtime

    @cached_property
    def _vectors(self) -> npt.NDArray[np.float32]:
        return FeatureStore(self._run_dir.path("features")).vectors()

    @cached_property
    def _layout(self) -> Arrays:
        return load_unit(self._out / shared_file(_LAYOUT))

    @cached_property
    def _search(self) -> NeighborSearch:
        index = self._out / FOLDER / _INDEX
        return NeighborSearch(
            self._vectors,
            k=int(self._layout["k"]),
            groups=self._layout["groups"],
            kind=pick_kind(str(self._layout["kind"]), crops=0, exact_below=0),
            device=self._runtime.device,
            index=load_index(index) if index.exists() else None,
        )

    @property
    def units(self) -> int:
        """Blocks of crops."""
        return len(self._search.blocks)

    def lay_out(self) -> None:
        """Settle which search it is, of how many neighbors, and which crops are never paired.

        Raises:
            UsageError: corpus and features are of different crops.
        """
        config, vectors, corpus = self._config, self._vectors, load_corpus(self._run_dir.path("corpus"))
        if len(corpus.crops) != len(vectors):
            raise UsageError(
                f"{self._run_dir.root}: corpus/ has {len(corpus.crops)} crops, features/ {len(vectors)}; extract again"
            )
        kind = pick_kind(config.index, crops=len(vectors), exact_below=config.exact_below)
        apart = groups_of(corpus, same_image=config.same_image)
        groups = np.arange(len(vectors)) if apart is None else apart
        _, blank = knn.unit_rows(vectors)
        k = possible_k(config.k, groups, blank)
        if kind != "exact" and k:
            save_index(NeighborSearch(vectors, k=k, groups=groups, kind=kind).index, self._out / FOLDER / _INDEX)
        layout = self._out / shared_file(_LAYOUT)  # last: it says that all is there
        save_unit(layout, k=np.array(k), groups=groups, kind=np.array(kind), apart=np.array(apart is not None))

    def write(self, units: range) -> None:
        """Search the neighbors of some blocks, but for those that were."""
        paths = {unit: self._out / unit_file(_FOUND, unit) for unit in units}
        left = [unit for unit, path in paths.items() if not path.exists()]
        found = self._search.some(left, workers=self._runtime.workers)
        tracked = self._runtime.track(found, total=len(left), unit="blocks of crops")
        for unit, (neighbors, scores) in zip(left, tracked, strict=True):
            save_unit(paths[unit], neighbors=neighbors, scores=scores)

    def names(self, units: range) -> list[str]:
        """The files of some blocks."""
        return [unit_file(_FOUND, unit) for unit in units]

    def finish(self) -> Summary:
        """Join what all blocks have found, and say so."""
        parts = (load_unit(self._out / unit_file(_FOUND, unit)) for unit in range(self.units))
        pairs = self._search.join((part["neighbors"], part["scores"]) for part in parts)
        save_pairs(pairs, self._out)
        _, blank = knn.unit_rows(self._vectors)
        seen = pairs.scores[~blank]
        return Summary(
            crops=len(blank),
            k=pairs.neighbors.shape[1],
            wanted=self._config.k,
            index=str(self._layout["kind"]),
            same_image=not self._layout["apart"],
            blank=int(blank.sum()),
            mean_score=round(float(seen.mean()), 6) if seen.size else None,
        )


def possible_k(wanted: int, groups: Int64, blank: npt.NDArray[np.bool_]) -> int:
    """How many neighbors every crop gets: as many as are wanted, or as there are, and then it says so.

    Args:
        wanted: `mine.k`.
        groups: (n,) crops of one group are not paired.
        blank: (n,) crops that show nothing.
    """
    most = knn.available(groups, blank)
    if wanted > most and len(groups) > 1:  # of a single picture nobody expects pairs
        others = f"{counted(most, 'crop')} to pair each crop with, so {most} {'is' if most == 1 else 'are'} kept"
        log.warning("mine.k=%d: this corpus has only %s", wanted, others)
    if blank.any():
        log.warning("%d of %d crops show nothing and are paired with none", int(blank.sum()), len(groups))
    return min(wanted, most)


def is_laid_out(out: Path) -> bool:
    """Whether the search was settled."""
    return (out / shared_file(_LAYOUT)).exists()
