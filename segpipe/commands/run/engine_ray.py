"""The engine Ray: part numbers, mapped over a pool of actors by Ray Data; the driver does what lies between.

A part has one writer at a time; one whose actor died is done by another.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from segpipe.base.errors import MachineError, named
from segpipe.base.runtime import Track, cpu_count
from segpipe.pipeline.part_engine import PartCall, PartDoer, work_by_parts
from segpipe.pipeline.run_settings import Settings
from segpipe.store.run_dir import RunDir

_PARTS_PER_WORKER = 8
_STORE = 256 << 20  # bytes: numbers of parts alone go through it, and Ray would take a third of the memory


class _Actor(PartDoer):
    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Do a part; rows say of which run and stage, so that nothing is lost where an actor begins anew."""
        return {"failed": self.do(PartCall(str(row["run"]), str(row["stage"]), str(row["key"]), int(row["part"])))}


def run_on_ray(
    run_dir: RunDir,
    settings: Settings,
    track: Track,
    *,
    stages: tuple[str | None, str | None],
    force: Sequence[str],
    address: str | None,
    workers: int,
) -> None:
    """Run stages as `work_by_parts` does, on a Ray cluster.

    Args:
        run_dir: on a file system that all machines of the cluster share, or on an object store.
        settings: resolved; they become the run's.
        track: shows how far it is.
        stages: the first and the last.
        force: stages to do although they are up to date.
        address: of a cluster that is there; None begins one here.
        workers: actors; 0: one per CPU but one, which is left free for what feeds them.

    Raises:
        MachineError: Ray is not installed, or a part failed; why.
    """
    try:
        import ray
        from ray.data import ActorPoolStrategy, DataContext
    except ImportError as error:
        raise MachineError(f"{named('engine', 'ray')} needs Ray: `pip install 'segpipe[ray]'`") from error
    cpus = max(workers + 1, cpu_count(), 2)
    own = {} if address else {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _STORE}
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    pool = workers or max(1, int(ray.cluster_resources()["CPU"]) - 1)

    def map_parts(calls: Sequence[PartCall]) -> Iterator[str]:
        logging.getLogger("ray").setLevel(logging.ERROR)  # both speak of themselves in many lines
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        DataContext.get_current().enable_progress_bars = False
        done = ray.data.from_items([asdict(call) for call in calls], override_num_blocks=len(calls)).map(
            _Actor,
            compute=ActorPoolStrategy(size=pool, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
            num_gpus=1 if ray.cluster_resources().get("GPU") and calls[0].stage == "extract" else None,
        )
        yield from (row["failed"] for row in done.iter_rows())

    try:
        parts = _PARTS_PER_WORKER * pool
        work_by_parts(run_dir, settings, track, map_parts, stages=stages, force=force, parts=parts)
    finally:
        ray.shutdown()
