"""The training loop: views, loss, gradients, one step of student, teacher and center; then what is logged and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from segpipe.base.errors import MachineError, named
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Track
from segpipe.commands.pretrain import draws
from segpipe.commands.pretrain.distributed import Processes
from segpipe.commands.pretrain.history import EVERY, TrainingHistory, peak_memory
from segpipe.commands.pretrain.method import Batch, Judge, Method, Views
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.state import Training, save_state
from segpipe.commands.pretrain.training_plan import Plan
from segpipe.images.headers import BadImage
from segpipe.nn.pretraining.schedules import cosine
from segpipe.nn.pretraining.updates import clip_each, follow
from segpipe.pipeline import log

_AHEAD = 3  # micro-batches of views in waiting
_TRIES = 100  # other items in the place of one that cannot be read
_LAST_LAYER = "last_layer"


@dataclass
class Loop:
    """A training that goes on; `run` does its steps."""

    method: Method
    training: Training
    options: PretrainOptions
    plan: Plan
    device: str
    workers: int
    processes: Processes = field(default_factory=Processes)
    judge: Judge | None = None
    """Of the first process."""
    history: TrainingHistory | None = None
    out: Path | None = None
    """Where checkpoints go; None: there are none, as in all processes but the first."""
    collapsed: bool = False
    """Whether a collapse was seen and said."""

    def run(self, start: int, track: Track) -> str:
        """Do the steps from `start` to the last.

        Returns:
            Why it ended before its last step; empty where it did not.

        Raises:
            MachineError: the loss is not finite, or no item can be read.
        """
        batches = self._batches(start)
        kept = began = time.monotonic()
        steps = range(start, self.plan.steps)
        for step in track(steps, total=self.plan.steps, unit="steps", done=start):
            figures = self._step(step, batches)
            last = step == self.plan.steps - 1
            judging = self._every(step, self.options.judge_every, last=last)
            collapse = self._judge(step, figures) if judging else ""
            if judging or step % EVERY == 0 or last:
                now = time.monotonic()
                figures["images_per_second"] = self.plan.batch * (step + 1 - start) / max(1e-9, now - began)
                figures["memory_gb"] = peak_memory(self.device)
                if self.history is not None:
                    self.history.add(step, figures)
            if self.out is not None and not last and time.monotonic() - kept >= 60 * self.options.checkpoint_minutes:
                self._keep(step + 1)
                kept = time.monotonic()
            if collapse and self.options.stop_on_collapse:
                break
        else:
            collapse = ""
        if self.history is not None:
            self.history.draw()
        return collapse

    @staticmethod
    def _every(step: int, every: int, *, last: bool) -> bool:
        return every > 0 and (step % every == 0 or last)

    # --- one step ---------------------------------------------------------------------------------------------------

    def _step(self, step: int, batches: Iterator[Batch]) -> dict[str, float]:
        """Student, teacher and center move once; figures of the step, a mean over all micro-batches."""
        rates = self._set_rates(step)
        self.training.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        micros = range(self.processes.rank, self.plan.micro_batches, self.processes.count)
        for micro, batch in zip(micros, islice(batches, len(micros)), strict=True):
            with draws.depth_seeded(self.options.seed, step, micro, self.device):
                found, parts = self._loss(batch, step, micro)
            (found / self.plan.micro_batches).backward()  # type: ignore[no-untyped-call]
            for name, value in {"loss": float(found.detach()), **parts}.items():
                sums[name] = sums.get(name, 0.0) + value / self.plan.micro_batches
        figures = self._mean_figures(sums)
        if not abs(figures["loss"]) < float("inf"):
            raise MachineError(
                f"the loss of step {step} is not finite; lower {named('lr', self.options.lr)}, or compute in "
                f"{named('precision', 'float32')}"
            )
        self.processes.sum_gradients(self.training.student)
        figures["gradient"] = clip_each(self.training.student, self.options.clip)
        if step < round(self.options.freeze_last * self.plan.steps):
            for name, parameter in self.training.student.named_parameters():
                if _LAST_LAYER in name:
                    parameter.grad = None
        self.training.optimizer.step()
        follow(self.training.teacher, self.training.student, momentum=rates["momentum"])
        self.method.after_step(step, self.processes.sum)
        return figures | rates | dict(self.method.figures(step))

    def _loss(self, batch: Batch, step: int, micro: int) -> tuple[Tensor, dict[str, float]]:
        generator = draws.loss_generator(self.options.seed, step, micro)
        half = self.plan.precision == "bfloat16"
        there = tuple(part.to(self.device, non_blocking=True) for part in batch)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=half):
            return self.method.loss(self.training.student, self.training.teacher, there, step, generator)

    def _set_rates(self, step: int) -> dict[str, float]:
        """Learning rate and weight decay of a step, put into the optimizer; and the teacher's momentum."""
        options, steps = self.options, self.plan.steps
        top = options.lr * self.plan.batch / 256
        last = min(options.min_lr, top)  # of small batches the top may be below it: rates never rise to their end
        rate = cosine(step, steps=steps, start=top, end=last, warmup=round(options.warmup * steps))
        decay = cosine(step, steps=steps, start=options.weight_decay, end=options.weight_decay_end)
        for group in self.training.optimizer.param_groups:
            group["lr"] = rate
        self.training.optimizer.param_groups[0]["weight_decay"] = decay  # the second group never decays
        momentum = cosine(step, steps=steps, start=options.momentum, end=1.0)
        return {"lr": rate, "weight_decay": decay, "momentum": momentum}

    def _mean_figures(self, sums: dict[str, float]) -> dict[str, float]:
        if self.processes.count == 1:
            return sums
        values = torch.tensor([sums[name] for name in sorted(sums)], dtype=torch.float64, device=self.device)
        return dict(zip(sorted(sums), self.processes.sum(values).tolist(), strict=True))

    # --- beside the steps -------------------------------------------------------------------------------------------

    def _judge(self, step: int, figures: dict[str, float]) -> str:
        """Judge the teacher; figures are added. The first process judges, all learn whether it saw a collapse."""
        collapse = ""
        if self.judge is not None:
            found = self.judge.judge(self.training.teacher, step, figures)
            figures |= found.figures
            collapse = found.collapse
            if collapse and not self.collapsed:
                log.warning("step %d: %s", step, collapse)
            self.collapsed = self.collapsed or bool(collapse)
        fallen = self.processes.agree(bool(collapse), self.device)
        return collapse or ("collapsed" if fallen else "")

    def _keep(self, step: int) -> None:
        assert self.out is not None
        judge = self.judge.state() if self.judge is not None else {}
        save_state(self.out, self.training, step=step, method=self.method.state(), judge=judge)
        if self.history is not None:
            self.history.draw()

    # --- views ------------------------------------------------------------------------------------------------------

    def _batches(self, start: int) -> Iterator[Batch]:
        """This process's micro-batches of all steps from `start` on, made ahead by threads."""
        size = self.plan.micro_batch
        views = thread_map(self._views, self._slots(start), workers=self.workers, ahead=_AHEAD * size)
        while items := list(islice(views, size)):
            yield self.method.collate(items)

    def _slots(self, start: int) -> Iterator[tuple[int, int]]:
        """Step and place in its batch of every item of this process, in the order in which they are used."""
        size = self.plan.micro_batch
        for step in range(start, self.plan.steps):
            for micro in range(self.processes.rank, self.plan.micro_batches, self.processes.count):
                yield from ((step, micro * size + place) for place in range(size))

    def _views(self, slot: tuple[int, int]) -> Views:
        step, place = slot
        seed, count = self.options.seed, len(self.method)
        generator = draws.view_generator(seed, step, place)
        item = draws.item_at(seed, step * self.plan.batch + place, count)
        for _ in range(_TRIES):
            try:
                return self.method.views(item, generator)
            except BadImage as error:
                log.debug("%s", error)
                item = int(generator.integers(count))
        raise MachineError(f"{_TRIES} items in a row cannot be read; are the files still there?")
