"""Images per second and peak memory of `segpipe pretrain`, beside the bare network on the same views.

    python tools/bench_pretrain.py IMAGES [--steps 4] [--set batch=16 --set backbone=vit_small_patch16_224 ...]

`bare` makes the views of one step first, untimed, then lets the teacher see the large ones and the student all of them,
adds up the loss and goes back through the student, and nothing else: no views are made, no weight moves, nothing is
written. `pretrain` is the training loop of the command on decoded images, without the first step of either. Each has
a process of its own, rounds alternate, and the best round of each counts. The last line is the
ratio of the rates, and of the processor time of an image: on a busy machine of processors alone the second tells.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from segpipe.base.options import make
from segpipe.base.runtime import Runtime, make_runtime
from segpipe.base.yaml_text import load
from segpipe.commands.pretrain import draws
from segpipe.commands.pretrain.history import peak_memory
from segpipe.commands.pretrain.networks import find_start, make_pair
from segpipe.commands.pretrain.opening import open_source
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.state import Training
from segpipe.commands.pretrain.training_loop import Loop
from segpipe.commands.pretrain.training_plan import make_plan
from segpipe.nn.precision import pick_precision
from segpipe.nn.pretraining.updates import parameter_groups

KINDS = ("bare", "pretrain")
T = TypeVar("T")
Clocks = tuple[float, float]
"""Seconds by the clock, and of processors."""


def open_loop(options: PretrainOptions, runtime: Runtime, cache: Path, steps: int) -> Loop:
    """The loop of the command, with a first step more; no checkpoints."""
    start = find_start(options)
    prepared = open_source(options, start.row.norm).prepare(cache, runtime)
    gpu = torch.device(runtime.device).type == "cuda"
    precision = pick_precision(options.precision, runtime.device)
    plan = make_plan(options, prepared.count, processes=1, gpu=gpu, precision=precision, earlier={})
    plan = replace(plan, steps=steps + 1)
    student, teacher, _ = make_pair(start, options, outputs=plan.outputs, device=runtime.device)
    training = Training(student, teacher, torch.optim.AdamW(parameter_groups(student)))
    method = prepared.method(plan.outputs, plan.steps, runtime.device)
    return Loop(method, training, options, plan, runtime.device, runtime.workers)


def wait_for(device: str) -> None:
    """Until the device has done what was asked of it."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def now(device: str) -> Clocks:
    """Both clocks, once the device has done what was asked of it."""
    wait_for(device)
    return time.perf_counter(), time.process_time()


def timed_loop(loop: Loop) -> tuple[Clocks, Clocks]:
    """The clocks after the first step and after the last."""
    began = [(0.0, 0.0)]

    def track(items: Iterable[T], *, total: int, unit: str, done: int = 0) -> Iterator[T]:
        for number, item in enumerate(items):
            yield item
            if number == 0:
                began[0] = now(loop.device)

    loop.run(0, track)
    return began[0], now(loop.device)


def timed_bare(loop: Loop, steps: int) -> tuple[Clocks, Clocks]:
    """The clocks before and after as many steps of networks and loss alone; one before them does not count."""
    plan, method, training = loop.plan, loop.method, loop.training
    slots = [draws.item_at(loop.options.seed, slot, len(method)) for slot in range(plan.batch)]
    items = [method.views(item, draws.view_generator(loop.options.seed, 0, slot)) for slot, item in enumerate(slots)]
    parts = [items[first : first + plan.micro_batch] for first in range(0, plan.batch, plan.micro_batch)]
    batches = [method.collate(part) for part in parts]
    began = now(loop.device)
    for step in range(steps + 1):
        if step == 1:
            began = now(loop.device)
        training.student.zero_grad(set_to_none=True)
        for micro, batch in enumerate(batches):
            there = tuple(part.to(loop.device) for part in batch)
            half = plan.precision == "bfloat16"
            with torch.autocast(torch.device(loop.device).type, torch.bfloat16, enabled=half):
                generator = draws.loss_generator(loop.options.seed, 0, micro)
                loss, _ = method.loss(training.student, training.teacher, there, 0, generator)
            loss.backward()  # type: ignore[no-untyped-call]
    return began, now(loop.device)


def measure(kind: str, images: str, cache: Path, settings: dict[str, Any], steps: int) -> dict[str, float]:
    """Rate and peak memory of one kind, in this process."""
    options = make(PretrainOptions, {"images": images, "out": cache.parent / "out", "judge_every": 0, **settings})
    loop = open_loop(options, make_runtime(options.device, options.workers), cache, steps)
    first, last = timed_loop(loop) if kind == "pretrain" else timed_bare(loop, steps)
    count = steps * loop.plan.batch
    return {
        "rate": count / (last[0] - first[0]),
        "cpu": (last[1] - first[1]) / count,
        "memory": peak_memory(loop.device),
    }


def main() -> None:
    """Measure both in turn and print a line for each, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    settings = {name: load(value, name, way_out="") for name, _, value in (each.partition("=") for each in given.set)}
    if given.kind:
        print(json.dumps(measure(given.kind, given.images, given.cache, settings, given.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        best: dict[str, dict[str, float]] = {}
        for kind in KINDS * given.rounds:
            call = [sys.executable, *sys.argv, "--kind", kind, "--cache", str(Path(folder, "cache"))]
            found = json.loads(subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout)
            best[kind] = max(best.get(kind, found), found, key=lambda each: each["rate"])
    for kind, found in best.items():
        print(
            f"{kind:<9} {found['rate']:8.2f} images/s   {found['memory']:6.2f} GB at most   "
            f"{found['cpu']:7.3f} s of a processor an image"
        )
    bare, whole = (best[kind] for kind in KINDS)
    print(
        f"ratio     {whole['rate'] / bare['rate']:8.3f} of the rate; {bare['cpu'] / whole['cpu']:.3f} by processor time"
    )


if __name__ == "__main__":
    main()
