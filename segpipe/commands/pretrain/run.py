"""Train a backbone: what is learned from, networks, loop and card put together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from segpipe.base import files
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.runtime import Runtime, no_track
from segpipe.base.temporary import temporary_folder
from segpipe.commands.pretrain.card import make_card, write_result
from segpipe.commands.pretrain.distributed import Processes, together, told_processes
from segpipe.commands.pretrain.dora_options import as_published
from segpipe.commands.pretrain.history import TrainingHistory, read_history
from segpipe.commands.pretrain.networks import Start, find_start, make_pair
from segpipe.commands.pretrain.opening import open_source
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.output import WAY_OUT, begin, read_rejected, read_settings, write_rejected
from segpipe.commands.pretrain.prepared import ItemSource, Prepared
from segpipe.commands.pretrain.preview import ROWS, preview
from segpipe.commands.pretrain.state import CHECKPOINT, Training, load_state, state_bytes
from segpipe.commands.pretrain.training_loop import Loop
from segpipe.commands.pretrain.training_plan import Plan, difference, identity, make_plan
from segpipe.commands.pretrain.watch import FeatureWatch
from segpipe.nn.precision import pick_precision
from segpipe.nn.pretrained import FILE
from segpipe.nn.pretraining.updates import parameter_groups
from segpipe.nn.projection_head import Headed
from segpipe.pipeline import log
from segpipe.records.corpus import Rejected
from segpipe.store.ownership import PRETRAINED, check_free, claim, locked

_CACHE, _PREVIEW = "cache", "preview.png"


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """What came of it."""

    out: Path
    steps: int
    images: int
    history: tuple[Mapping[str, float], ...]
    """Rows of history.jsonl."""
    rejected: tuple[Rejected, ...]
    ended: str = ""
    """Why it ended before its last step; empty where it did not."""
    preview: Path | None = None
    """The sheet of samples, where nothing else was asked for."""
    main: bool = True
    """Whether this is the process that writes and speaks."""


def pretrain(options: PretrainOptions, runtime: Runtime) -> PretrainResult:
    """Train a backbone on images without a label, or go on with one; or draw the sheet of samples.

    Raises:
        UsageError: something asked for cannot be meant, or OUT holds another training.
        CorpusError: not one image can be used.
        MachineError: weights are not at hand, there is no room, or the loss is not finite.
        LockedError: another process trains in OUT.
    """
    options = as_published(options) if options.method == "dora" else options
    processes = told_processes()
    check_free(options.out, PRETRAINED, earlier=_never)
    start = find_start(options)
    if options.preview:
        return _preview(options, start, runtime, processes)
    device = processes.device(runtime.device)
    with together(processes, device), _held(options.out, processes):
        return _Work(options, replace(runtime, wanted=device), processes, start).do()


def _never() -> bool:
    return False


@contextmanager
def _held(out: Path, processes: Processes) -> Iterator[None]:
    """The first process holds OUT for all."""
    if not processes.main:
        yield
        return
    with locked(out, PRETRAINED, earlier=_never):
        files.sweep(out)
        yield


def _preview(options: PretrainOptions, start: Start, runtime: Runtime, processes: Processes) -> PretrainResult:
    path = options.out / _PREVIEW
    if processes.main:
        source = open_source(options, start.row.norm).few(ROWS)
        claim(options.out, PRETRAINED, earlier=_never)
        with temporary_folder() as folder:
            prepared = source.prepare(folder, runtime)
            method = prepared.method(2, 1, "cpu")
            files.write_bytes(path, preview(method, start.row.norm, seed=options.seed, title=options.images))
    return PretrainResult(options.out, 0, 0, (), (), preview=path, main=processes.main)


@dataclass
class _Work:
    """One call, from its options to its result."""

    options: PretrainOptions
    runtime: Runtime
    processes: Processes
    start: Start

    def do(self) -> PretrainResult:
        options, out, main = self.options, self.options.out, self.processes.main
        earlier = read_settings(out)
        source = open_source(options, self.start.row.norm)
        same_data = earlier.get("data") == source.key
        if earlier and not same_data and not options.overwrite:
            raise UsageError(f"{out} holds a training on other images, or these were changed since; {WAY_OUT}")
        prepared = None if same_data else self._prepare(source)
        plan = self._plan(prepared.count if prepared else int(earlier["items"]), earlier)
        student, teacher, init = make_pair(self.start, options, outputs=plan.outputs, device=self.runtime.device)
        row = self.start.row
        settings = identity(options, plan, data=source.key, init=init) | {"network": row.base or row.name}
        changed = difference(earlier, settings) if earlier else ""
        if changed and not options.overwrite:
            raise UsageError(f"{out} holds a training with other settings ({changed}); {WAY_OUT}")
        self.processes.wait()  # all have read what the first one clears now
        if earlier and not changed and (out / FILE).is_file():
            return self._result(plan, read_rejected(out), "")
        if main and (changed or not earlier):
            begin(out, settings)
        prepared = prepared or self._prepare(source)
        training = Training(student, teacher, torch.optim.AdamW(parameter_groups(student)))
        if main:
            write_rejected(out, prepared.rejected)
            self._check_room(2 * state_bytes(training), "the checkpoints")
        self.processes.wait()
        ended = self._train(plan, training, prepared)
        if main:
            self._finish(settings, source, teacher, ended)
        self.processes.wait()
        return self._result(plan, prepared.rejected, ended)

    def _finish(self, settings: Mapping[str, Any], source: ItemSource, teacher: Headed, ended: str) -> None:
        """Write the backbone with its card; what was kept to go on from is needed no more."""
        options, start = self.options, self.start
        licence = options.licence
        if start.weights is not None:
            licence += f"; begun with {start.weights.name}, under the licence of that file"
        elif not start.random:
            licence += f"; begun with {start.row.base or start.row.name}: {start.row.licence}"
        data = {"path": files.absolute(options.images), "images": settings["items"], "list": source.key}
        card = make_card(
            settings,
            network=str(settings["network"]),
            positions=start.row.positions,
            licence=licence,
            data=data,
            ended=ended,
        )
        write_result(options.out, teacher, card)
        for name in (CHECKPOINT, _CACHE):
            shutil.rmtree(options.out / name, ignore_errors=True)

    def _plan(self, items: int, earlier: Mapping[str, Any]) -> Plan:
        device = self.runtime.device
        return make_plan(
            self.options,
            items,
            processes=self.processes.count,
            gpu=torch.device(device).type == "cuda",
            precision=pick_precision(self.options.precision, device),
            earlier=earlier,
        )

    def _prepare(self, source: ItemSource) -> Prepared:
        """Decode, in the first process alone; the others find what it made."""
        folder, main = self.options.out / _CACHE, self.processes.main
        if main and not folder.exists():
            self._check_room(source.bytes_needed(), "decoded images")
        found = source.prepare(folder, self.runtime) if main else None
        self.processes.wait()
        return found or source.prepare(folder, replace(self.runtime, track=no_track))

    def _check_room(self, need: int, what: str) -> None:
        free = shutil.disk_usage(self.options.out).free
        log.info("pretrain  %s take about %.1f GB of disk, %.1f GB are free", what, need / 1e9, free / 1e9)
        if need > free:
            raise MachineError(
                f"{self.options.out}: {what} need {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; free some, "
                "or name an OUT on another disk"
            )

    def _train(self, plan: Plan, training: Training, prepared: Prepared) -> str:
        options, main, device = self.options, self.processes.main, self.runtime.device
        method = prepared.method(plan.outputs, plan.steps, device)
        judge = FeatureWatch(method, images=options.judge_images, seed=options.seed, device=device)
        done, state, judged = load_state(options.out, training)
        if state:
            method.load_state(state)
            judge.load_state(judged)
        self.processes.same_everywhere(
            [*training.student.state_dict().values(), *training.teacher.state_dict().values()]
        )
        if done:
            log.info("pretrain  goes on after step %d of %d", done, plan.steps)
        loop = Loop(
            method,
            training,
            options,
            plan,
            device,
            self.runtime.workers,
            self.processes,
            judge=judge if main else None,
            history=TrainingHistory(options.out, done=done, events=options.tensorboard) if main else None,
            out=options.out if main else None,
        )
        return loop.run(done, self.runtime.track if main else no_track)

    def _result(self, plan: Plan, rejected: tuple[Rejected, ...], ended: str) -> PretrainResult:
        rows = tuple(read_history(self.options.out)) if self.processes.main else ()
        return PretrainResult(self.options.out, plan.steps, plan.items, rows, rejected, ended, main=self.processes.main)
