"""Files of a tree of clusters while it grows, between its rounds; see `store.unit_files` for where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.ops.clustering.streaming_kmeans import ClusterCounts
from segpipe.stages.cluster.hierarchy import PoolCodes, TreeSample
from segpipe.stages.cluster.shard_codes import ShardCodes
from segpipe.store.array_files import Arrays
from segpipe.store.unit_files import load_unit, save_unit, shared_file, unit_file

_LAYOUT, _CODES, _EVERY, _COUNTS, _CENTERS = "layout", "codes", "every", "counts", "centers"

Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]


class TreeFiles:
    """The files in the folder of the artefact while it is made."""

    def __init__(self, out: Path) -> None:
        self._out = out

    @property
    def begun(self) -> bool:
        """Whether it is settled what the tree is grown from."""
        return self._shared(_LAYOUT).exists()

    def _shared(self, name: str) -> Path:
        return self._out / shared_file(name)

    def _unit(self, kind: str, unit: int) -> Path:
        return self._out / unit_file(kind, unit)

    def begin(self, origin: str, sample: TreeSample | None) -> None:
        """Settle what the tree is made from; `sample` is None where the tree is there."""
        drawn = {} if sample is None else {field.name: getattr(sample, field.name) for field in fields(TreeSample)}
        save_unit(self._shared(_LAYOUT), origin=np.array(origin), kept=np.array(sample is None), **drawn)

    @cached_property
    def _layout(self) -> Arrays:
        return load_unit(self._shared(_LAYOUT))

    @property
    def origin(self) -> str:
        """What the tree is made from."""
        return str(self._layout["origin"])

    @property
    def kept(self) -> bool:
        """Whether the tree was there before any was grown."""
        return bool(self._layout["kept"])

    @cached_property
    def sample(self) -> TreeSample:
        """The patches that it is grown from, where it is grown."""
        return TreeSample(**{field.name: self._layout[field.name] for field in fields(TreeSample)})

    def names(self, number: int, unit: int) -> list[str]:
        """What a unit writes in a round; the last of them says that all are there."""
        kinds = [f"{_COUNTS}-{number}"] if number > 1 else [_CODES] if self.sample.whole else [_EVERY, _CODES]
        return [unit_file(kind, unit) for kind in kinds]

    def needs(self, number: int, unit: int) -> list[str]:
        """What a unit reads in a round, of what it wrote in earlier ones."""
        return [unit_file(_EVERY, unit)] if number > 1 else []

    def joins(self, number: int, unit: int, *, last: bool) -> list[str]:
        """What is read of a unit by who closes a round."""
        counted = [unit_file(f"{_COUNTS}-{number}", unit)] if number > 1 else []
        return counted + ([unit_file(_CODES, unit)] if number == 1 or last else [])

    def closed(self, number: int) -> list[str]:
        """What closing a round writes."""
        return [shared_file(f"{_CENTERS}-{number}")]

    def save_codes(self, unit: int, codes: ShardCodes) -> None:
        """Write what is kept of a shard in the first round."""
        if not self.sample.whole:
            save_unit(self._unit(_EVERY, unit), codes=codes.every)
        pool = {field.name: getattr(codes.pool, field.name) for field in fields(PoolCodes)}
        save_unit(self._unit(_CODES, unit), sampled=codes.sampled, **pool)

    def every(self, unit: int) -> Float16:
        """Codes of all patches of a shard that show image, (v, dim)."""
        return load_unit(self._unit(_EVERY, unit))["codes"]

    def sampled(self, units: int, dim: int) -> Float32:
        """Codes of the sample (m, dim), of all units."""
        found, at = np.empty((int(self.sample.counts.sum()), dim), np.float32), 0
        for unit in range(units):
            part = load_unit(self._unit(_CODES, unit), "sampled")["sampled"]
            found[at : at + len(part)] = part
            at += len(part)
        return found

    def pool(self, units: int) -> PoolCodes:
        """What is kept of the pool, of all units."""
        names, parts = [field.name for field in fields(PoolCodes)], list[list[Float16]]()
        for unit in range(units):
            arrays = load_unit(self._unit(_CODES, unit), *names)
            parts.append([arrays[name] for name in names])
        return PoolCodes(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def save_counts(self, number: int, unit: int, counts: ClusterCounts) -> None:
        """Write the members of the centers among the patches of a shard, as they were counted in a round."""
        cosines = np.array(counts.cosines)
        save_unit(self._unit(f"{_COUNTS}-{number}", unit), sums=counts.sums, sizes=counts.sizes, cosines=cosines)

    def counts(self, number: int, unit: int) -> ClusterCounts:
        """What `save_counts` wrote."""
        arrays = load_unit(self._unit(f"{_COUNTS}-{number}", unit))
        return ClusterCounts(arrays["sums"], arrays["sizes"], float(arrays["cosines"]))

    def save_centers(self, number: int, centers: Float32, restarts: Sequence[float]) -> None:
        """Write what closes a round: centers (clusters, dim), and how tight each run of k-means on the sample was."""
        save_unit(self._shared(f"{_CENTERS}-{number}"), centers=centers, restarts=np.array(restarts, np.float64))

    def centers(self, number: int) -> tuple[Float32, tuple[float, ...]]:
        """What `save_centers` wrote."""
        arrays = load_unit(self._shared(f"{_CENTERS}-{number}"))
        return arrays["centers"], tuple(arrays["restarts"].tolist())

    def has_centers(self, number: int) -> bool:
        """Whether a round was closed."""
        return self._shared(f"{_CENTERS}-{number}").exists()
