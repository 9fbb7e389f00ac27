"""Train a backbone: what is learned from, networks, loop and card put together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml

from segpipe.base import files
from segpipe.base.errors import MachineError, UsageError, named
from segpipe.base.runtime import Runtime, no_track
from segpipe.base.temporary import temporary_folder
from segpipe.base.yaml_text import load
from segpipe.commands.pretrain.card import CARD, PAGE, make_card, write_result
from segpipe.commands.pretrain.distributed import Processes, together, told_processes
from segpipe.commands.pretrain.dora_options import as_published
from segpipe.commands.pretrain.history import EVENTS, HISTORY, TrainingHistory, read_history
from segpipe.commands.pretrain.training_loop import Loop
from segpipe.commands.pretrain.networks import Start, find_start, make_pair
from segpipe.commands.pretrain.opening import open_source
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.prepared import Prepared, ItemSource
from segpipe.commands.pretrain.preview import ROWS, preview
from segpipe.commands.pretrain.training_plan import Plan, difference, identity, make_plan
from segpipe.commands.pretrain.state import CHECKPOINT, Training, load_state, state_bytes
from segpipe.commands.pretrain.watch import FeatureWatch
from segpipe.nn.precision import pick_precision
from segpipe.nn.pretrained import FILE
from segpipe.nn.pretraining.updates import parameter_groups
from segpipe.pipeline import log
from segpipe.records.corpus import Rejected
from segpipe.store.ownership import PRETRAINED, check_free, claim, locked

_SETTINGS, _CACHE, _REJECTED, _PREVIEW = "settings.yaml", "cache", "rejected.jsonl", "preview.png"


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
            raise UsageError(f"{out} holds a training on other images, or these were changed since; {_way_out()}")
        prepared = None
        items = int(earlier["items"]) if same_data else 0
        if not same_data:
            prepared = self._prepare(source)
            items = prepared.count
        plan = self._plan(items, earlier)
        student, teacher, init = make_pair(self.start, options, outputs=plan.outputs, device=self.runtime.device)
        settings = identity(options, plan, data=source.key, init=init) | {
            "network": self.start.row.base or self.start.row.name
        }
        changed = difference(earlier, settings) if earlier else ""
        if changed and not options.overwrite:
            raise UsageError(f"{out} holds a training with other settings ({changed}); {_way_out()}")
        self.processes.wait()  # all have read what the first one clears now
        if main and (changed or not earlier):
            self._begin(settings)
        if not changed and (out / FILE).is_file():
            return self._result(plan, read_rejected(out), "")
        prepared = prepared or self._prepare(source)
        training = Training(student, teacher, torch.optim.AdamW(parameter_groups(student)))
        if main:
            files.write_jsonl(out / _REJECTED, [asdict(item) for item in prepared.rejected])
            self._check_room(2 * state_bytes(training), "the checkpoints")
        self.processes.wait()
        ended = self._train(plan, training, prepared)
        if main:
            data = {"path": files.absolute(options.images), "images": items, "list": source.key}
            card = make_card(
                settings,
                network=str(settings["network"]),
                positions=self.start.row.positions,
                licence=options.licence,
                data=data,
                ended=ended,
            )
            write_result(out, teacher, card)
            for name in (CHECKPOINT, _CACHE):
                shutil.rmtree(out / name, ignore_errors=True)
        self.processes.wait()
        return self._result(plan, prepared.rejected, ended)

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

    def _begin(self, settings: Mapping[str, Any]) -> None:
        """Clear what an earlier training left, and write the settings of this one."""
        out = self.options.out
        (out / _SETTINGS).unlink(missing_ok=True)
        for name in (FILE, CARD, PAGE, HISTORY, _REJECTED):
            (out / name).unlink(missing_ok=True)
        for name in (CHECKPOINT, EVENTS):
            shutil.rmtree(out / name, ignore_errors=True)
        text = yaml.safe_dump(dict(settings), sort_keys=True, allow_unicode=True)
        files.write_text(out / _SETTINGS, f"# What decides the weights; the same command goes on with them.\n{text}")

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


def _way_out() -> str:
    return (
        f"give the same ones, another OUT, or {named('overwrite', True)} to begin anew; to train on from its result "
        f"give {named('init', 'OUT')} and another OUT"
    )


def read_settings(out: Path) -> dict[str, Any]:
    """The settings of the training that OUT holds; empty where it holds none.

    Raises:
        UsageError: they are damaged.
    """
    path = out / _SETTINGS
    if not path.is_file():
        return {}
    found = load(files.read_text(path), path, way_out="delete OUT, or give --overwrite")
    if not isinstance(found, dict) or not isinstance(found.get("items"), int):
        raise UsageError(f"{path} is damaged; delete {out}, or name another OUT")
    return found


def read_rejected(out: Path) -> tuple[Rejected, ...]:
    """What an earlier call could not use."""
    try:
        return tuple(Rejected(**row) for row in files.read_jsonl(out / _REJECTED))
    except (OSError, ValueError, TypeError):
        return ()
