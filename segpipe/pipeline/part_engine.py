"""Running stages in parts by an engine: whatever maps part numbers over processes, here or on other machines.

Part numbers are mapped, never data: images are read and files written where the processes are, on a file system that
all machines share or on an object store. Nothing of an engine decides on a result.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from segpipe.base import checksums
from segpipe.base.config import Layer
from segpipe.base.errors import MachineError, SegpipeError
from segpipe.base.runtime import Track, no_track
from segpipe.pipeline.part_bench import PartBench, open_bench
from segpipe.pipeline.part_merge import merge_parts
from segpipe.pipeline.part_plan import make_plan
from segpipe.pipeline.part_work import do_given
from segpipe.pipeline.planned_steps import INDEX, plan_key
from segpipe.pipeline.run_settings import Settings, existing_run, resolve
from segpipe.pipeline.running import work
from segpipe.pipeline.steps import BY_NAME, chosen, step_of
from segpipe.stages import sharing_of
from segpipe.store.part_folder import FOLDER, load_plan
from segpipe.store.run_dir import RunDir


@dataclass(frozen=True, slots=True)
class PartCall:
    """A part to be done by some process."""

    run: str
    """Absolute path of the run, or its URL."""
    stage: str
    key: str
    """Of the round that is open: what is opened for one does not serve the next."""
    part: int


MapParts = Callable[[Sequence[PartCall]], Iterable[str]]
"""Does every part by `PartDoer.do` in some process; yields, in any order, what each said."""


class PartDoer:
    """Does parts in a process of its own, with what it takes opened once."""

    @cached_property
    def _benches(self) -> dict[tuple[str, str, str], PartBench | None]:
        logging.getLogger("segpipe").setLevel(logging.WARNING)
        return {}

    def do(self, call: PartCall) -> str:
        """Do a part with one worker; returns why it failed, empty where it is done."""
        what = call.run, call.stage, call.key
        try:
            if what not in self._benches:
                run_dir = existing_run(Path(call.run))
                alone = resolve(run_dir, layers=[Layer("", {"runtime.workers": 1})])
                self._benches[what] = open_bench(run_dir, alone, no_track, call.stage)
            if (bench := self._benches[what]) is not None:
                do_given(bench, call.part)
        except SegpipeError as error:
            return str(error)
        return ""


def work_by_parts(
    run_dir: RunDir,
    settings: Settings,
    track: Track,
    map_parts: MapParts,
    *,
    stages: tuple[str | None, str | None],
    force: Sequence[str],
    parts: int,
) -> None:
    """Run stages as `pipeline.work` does, those that can be done in parts by an engine; `index` is done here.

    Args:
        run_dir: on a file system that all machines share, or on an object store.
        settings: resolved; they become the run's.
        track: shows how far it is.
        map_parts: the engine.
        stages: the first and the last.
        force: stages to do although they are up to date.
        parts: how many, where the run has no plan that fits.

    Raises:
        MachineError: a part failed; why.
    """
    for stage in chosen(*stages):
        name = stage.NAME
        if name == INDEX or sharing_of(stage) is None:
            work(run_dir, settings, track, start=name, stop=name, force=[each for each in force if each == name])
            continue
        _plan(run_dir, settings, track, parts)
        with _anew(run_dir, settings, name, forced=name in force):
            # laid out before many want it; merging closes a round, the last of which is the stage's
            while (bench := open_bench(run_dir, settings, track, name)) is not None:
                _map(bench, map_parts, run_dir, track)
                merge_parts(run_dir, settings, track)


def _map(bench: PartBench, map_parts: MapParts, run_dir: RunDir, track: Track) -> None:
    root, name, count = str(run_dir.place.absolute()), bench.stage, bench.parts
    calls = [PartCall(root, name, bench.key, number) for number in range(1, count + 1)]
    said = track(map_parts(calls), total=count, unit=f"parts of {name}")
    failed = [why for why in said if why]
    if failed:
        raise MachineError(f"{run_dir.root}: {len(failed)} of {count} parts of {name} failed; the first: {failed[0]}")


def _plan(run_dir: RunDir, settings: Settings, track: Track, parts: int) -> None:
    """See that the run has a plan for these settings; one is made where it has none."""
    old = load_plan(run_dir.root)
    if old is None or old.key != plan_key(run_dir, settings, old.listed):
        make_plan(run_dir, settings, track, parts, overwrite=old is not None)


@contextmanager
def _anew(run_dir: RunDir, settings: Settings, name: str, *, forced: bool) -> Iterator[None]:
    """Forget before the block, where forced, that a stage was done, in parts or not; if it fails the old one stands."""
    stage, manifest = BY_NAME[name], run_dir.manifest()
    old = manifest.stages.get(name)
    if not forced or old is None:
        yield
        return
    with run_dir.lock():
        step = step_of(stage, settings, run_dir, manifest)
        if run_dir.remote is not None:
            run_dir.remote.fetch(stage.ARTEFACT)  # the store's is deleted as soon as the run does not name it
        run_dir.record(name, None)  # nothing of the old artefact is taken over
        run_dir.drop_attempt(stage.ARTEFACT, whole=True)
        for folder in (run_dir.root / FOLDER / name).glob(f"{step.key}*"):  # of every round
            shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    except BaseException:
        if checksums.checksum(run_dir.root / stage.ARTEFACT) == old.checksum:
            run_dir.record(name, old)
        raise
