"""A tree of small clusters grown in rounds: codes by units, k-means of a sample, then passes over all by units."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.inference.codes import open_head
from segpipe.ops.clustering.kmeans import Clustering, spherical_kmeans
from segpipe.ops.clustering.streaming_kmeans import ClusterCounts, add_counts, count_all, move_centers
from segpipe.records.clusters import ClusterTree
from segpipe.stages.cluster.hierarchy import HierarchyConfig, SmallClusters, build_tree, draw_sample
from segpipe.stages.cluster.shard_codes import ShardEncoder
from segpipe.stages.cluster.tree_files import TreeFiles
from segpipe.store.clusters import load_tree, save_tree
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Round
from segpipe.store.valid_patches import count_valid

if TYPE_CHECKING:
    from segpipe.nn.head import Head

TREE = "tree.npz"
"""The file of a tree, in the folder of the artefact."""
_PASSES = 2  # steps of k-means over all patches, from centers that have converged on the sample


class TreeGrowth:
    """The small clusters of all patches while they are found, by one process or several.

    They are found in codes averaged over 5 x 5 patches: what is noise in one patch would otherwise make clusters of its
    own, and average linkage keeps what is rare. A unit is a shard of the features. In the first round units encode
    their patches, and who closes it runs k-means on the sample, until it has converged. Where the sample is not all,
    units count the members of the centers among all their patches in three rounds more; the centers move between them.
    """

    def __init__(self, config: HierarchyConfig, run_dir: RunDir, out: Path, runtime: Runtime, *, origin: str) -> None:
        """Open nothing yet.

        Args:
            config: settings of the tree.
            run_dir: of corpus, features and head, and perhaps of an earlier tree.
            out: folder of the artefact while it is made.
            runtime: device and workers.
            origin: what the tree is made from.
        """
        self._config, self._run_dir, self._runtime, self._origin = config, run_dir, runtime, origin
        self._tree, self._files = out / TREE, TreeFiles(out)

    @cached_property
    def _store(self) -> FeatureStore:
        return FeatureStore(self._run_dir.path("features"))

    @cached_property
    def _head(self) -> Head:
        return open_head(self._run_dir.path("head")).to(self._runtime.device)

    @property
    def fits(self) -> bool:
        """Whether what lies in the folder is of this tree."""
        return self._files.begun and self._files.origin == self._origin

    @property
    def kept(self) -> bool:
        """Whether the tree was there before any was grown."""
        return self._files.kept

    @cached_property
    def round(self) -> Round:
        """The round that was open when it was asked for first."""
        if self.kept:
            return Round(what="the tree is there")
        rounds = 1 if self._files.sample.whole else 2 + _PASSES
        closed = 0
        while closed < rounds - 1 and self._files.has_centers(closed + 1):
            closed += 1
        what = f"members of the small clusters, pass {closed} of {rounds - 1}" if closed else "codes of all patches"
        return Round(closed + 1, rounds, what)

    @cached_property
    def units(self) -> int:
        """Shards of the features; none where the tree is there."""
        return 0 if self.kept else len(self._store.shards)

    def names(self, units: range) -> list[str]:
        """The files of some shards in this round."""
        return [name for unit in units for name in self._files.names(self.round.number, unit)]

    def needs(self, units: range) -> list[str]:
        """The codes that some shards wrote in the first round, where this one counts among them."""
        return [name for unit in units for name in self._files.needs(self.round.number, unit)]

    def joins(self) -> list[str]:
        """What was found in all shards and is read by who closes the round."""
        number, last = self.round.number, self.round.last
        return [name for unit in range(self.units) for name in self._files.joins(number, unit, last=last)]

    def closed(self, number: int) -> list[str]:
        """The centers that were found when a round was closed."""
        return self._files.closed(number)

    def lay_out(self) -> None:
        """Draw the sample; or take the tree of an earlier run where it still holds.

        Raises:
            CorpusError: no patch shows image.
        """
        with suppress(UsageError):  # none, or a damaged one
            tree = load_tree(self._run_dir.root / "clusters" / TREE)
            if tree.origin == self._origin:
                save_tree(tree, self._tree)
                self._files.begin(self._origin, None)
                return
        groups = load_corpus(self._run_dir.path("corpus")).groups
        shown = count_valid(self._store)
        self._files.begin(self._origin, draw_sample(shown, groups, most=self._config.patches, seed=self._config.seed))

    def write(self, units: range) -> None:
        """Do what this round asks of some shards, but for those of which it was done.

        Raises:
            UsageError: some codes are not finite.
        """
        number, out = self.round.number, self._tree.parent
        left = [unit for unit in units if not (out / self._files.names(number, unit)[-1]).exists()]
        if number == 1 and left:
            encoder = ShardEncoder(self._store, self._head, self._files.sample, self._config)
            for unit, codes in encoder.encode(left, self._runtime):
                self._files.save_codes(unit, codes)
        elif left:
            self._count(number, left)

    def _count(self, number: int, units: list[int]) -> None:
        files, workers = self._files, self._runtime.workers
        centers, _ = files.centers(number - 1)

        def count(unit: int) -> ClusterCounts:
            return count_all(files.every(unit), centers, workers=1)

        found = thread_map(count, units, workers=workers, ahead=workers + 1)
        tracked = self._runtime.track(found, total=len(units), unit="shards of codes")
        for unit, counts in zip(units, tracked, strict=True):
            files.save_counts(number, unit, counts)

    def _counted(self, number: int) -> ClusterCounts:
        """The members of all patches in a round, added up in the order of the shards."""
        centers, _ = self._files.centers(number - 1)
        return add_counts((self._files.counts(number, unit) for unit in range(self.units)), centers)

    def _cluster_sample(self, units: npt.NDArray[np.float32]) -> Clustering:
        config = self._config
        return spherical_kmeans(
            units,
            k=config.prototypes,
            restarts=config.restarts,
            iterations=config.iterations,
            seed=config.seed,
            workers=self._runtime.workers,
        )

    def close_round(self) -> None:
        """Find the centers of which the next round counts the members."""
        number, files = self.round.number, self._files
        if number == 1:
            found = self._cluster_sample(files.sampled(self.units, self._head.dim))
            files.save_centers(1, found.centers, found.restarts)
        else:
            centers, restarts = files.centers(number - 1)
            files.save_centers(number, move_centers(centers, self._counted(number)), restarts)

    def finish(self) -> ClusterTree:
        """The tree, once the last round is written."""
        if self._tree.exists():
            return load_tree(self._tree)
        files, last = self._files, self.round.of
        if files.sample.whole:
            units = files.sampled(self.units, self._head.dim)
            first = self._cluster_sample(units)
            members = count_all(units, first.centers, workers=self._runtime.workers)
            found = SmallClusters(first.centers, members, first.restarts, first.inertia)
        else:
            centers, restarts = files.centers(last - 1)
            members = self._counted(last)
            found = SmallClusters(centers, members, restarts, members.inertia)
        tree = build_tree(files.sample, files.pool(self.units), found, origin=self._origin)
        save_tree(tree, self._tree)
        return tree
