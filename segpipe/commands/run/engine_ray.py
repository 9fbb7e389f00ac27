"""The engine Ray: parts of a run, mapped over a pool of actors by Ray Data; the driver does what lies between.

Part numbers are mapped, never data: images are read and shards written where the actors are, on a file system that all
machines share. A part has one writer at a time; one whose actor died is done by another. Nothing of Ray decides on a
result.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.config import Layer
from segpipe.base.errors import MachineError, SegpipeError, named
from segpipe.base.runtime import Track, cpu_count, no_track
from segpipe.pipeline.part_merge import merge_parts
from segpipe.pipeline.part_plan import make_plan
from segpipe.pipeline.part_work import PartBench, do_given, open_bench, plan_key
from segpipe.pipeline.run_settings import Settings
from segpipe.pipeline.steps import chosen
from segpipe.stages import sharing_of
from segpipe.store.part_folder import load_plan
from segpipe.store.run_dir import RunDir

_PARTS_PER_WORKER = 8
_STORE = 256 << 20  # bytes: numbers of parts alone go through it, and Ray would take a third of the memory


class _Actor:
    """Does parts of one stage in a process of its own, with what it takes opened once."""

    @cached_property
    def _benches(self) -> dict[tuple[str, str], PartBench | None]:
        logging.getLogger("segpipe").setLevel(logging.WARNING)
        return {}

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Do a part; rows say of which run and stage, so that nothing is lost where an actor begins anew."""
        what = str(row["run"]), str(row["stage"])
        try:
            if what not in self._benches:
                run_dir = pipeline.existing_run(Path(what[0]))
                alone = pipeline.resolve(run_dir, layers=[Layer("", {"runtime.workers": 1})])
                self._benches[what] = open_bench(run_dir, alone, no_track, what[1])
            if (bench := self._benches[what]) is not None:
                do_given(bench, int(row["part"]))
        except SegpipeError as error:
            return {"failed": str(error)}
        return {"failed": ""}


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
    """Run stages as `pipeline.work` does, those that can be done in parts on a Ray cluster.

    Args:
        run_dir: on a file system that all machines of the cluster share.
        settings: resolved; they become the run's.
        track: shows how far it is.
        stages: the first and the last.
        force: stages to do although they are up to date; these are done by the driver.
        address: of a cluster that is there; None begins one here.
        workers: actors; 0: one per CPU but one, which is left free for what feeds them.

    Raises:
        MachineError: Ray is not installed, or a part failed; why.
    """
    try:
        import ray
    except ImportError as error:
        raise MachineError(f"{named('engine', 'ray')} needs Ray: `pip install 'segpipe[ray]'`") from error
    cpus = max(workers + 1, cpu_count(), 2)
    own = {} if address else {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _STORE}
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    try:
        pool = workers or max(1, int(ray.cluster_resources()["CPU"]) - 1)
        for stage in chosen(*stages):
            name = stage.NAME
            if sharing_of(stage) is None or name in force:
                pipeline.work(run_dir, settings, track, start=name, stop=name, force=[n for n in force if n == name])
                continue
            parts = _plan(run_dir, settings, track, _PARTS_PER_WORKER * pool)
            if open_bench(run_dir, settings, track, name) is not None:  # laid out before many want it
                _map(run_dir, parts, name, pool, track)
                merge_parts(run_dir, settings, track)
    finally:
        ray.shutdown()


def _plan(run_dir: RunDir, settings: Settings, track: Track, parts: int) -> int:
    """How many parts the run's plan has; one is made where there is none for these settings."""
    old = load_plan(run_dir.root)
    fits = old is not None and old.key == plan_key(run_dir, settings)
    if old is not None and fits:
        return old.parts
    return make_plan(run_dir, settings, track, parts, overwrite=old is not None).parts


def _map(run_dir: RunDir, parts: int, stage: str, pool: int, track: Track) -> None:
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    logging.getLogger("ray").setLevel(logging.ERROR)  # both speak of themselves in many lines
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    DataContext.get_current().enable_progress_bars = False
    root = str(run_dir.place.absolute())
    rows = [{"part": number, "run": root, "stage": stage} for number in range(1, parts + 1)]
    done = ray.data.from_items(rows, override_num_blocks=parts).map(
        _Actor,
        compute=ActorPoolStrategy(size=pool, max_tasks_in_flight_per_actor=1),
        num_cpus=1,
        num_gpus=1 if ray.cluster_resources().get("GPU") and stage == "extract" else None,
    )
    told = track(done.iter_rows(), total=parts, unit=f"parts of {stage}")
    failed = [row["failed"] for row in told if row["failed"]]
    if failed:
        raise MachineError(f"{run_dir.root}: {len(failed)} of {parts} parts of {stage} failed; the first: {failed[0]}")
