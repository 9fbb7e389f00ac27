"""Training loop: steps of any objective, what is logged of them, and how a collapse of the codes is noticed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from segpipe.base.errors import UsageError
from segpipe.nn.head import Head
from segpipe.ops.clustering import sampler
from segpipe.records.candidates import Collapse
from segpipe.stages.train.objectives.objective import Objective, Patches
from segpipe.store.batch_reader import Batch, Crops
from segpipe.store.training_log import Journal, count

EDGES = np.linspace(-1, 1, 101)
_LOG_EVERY = 10
_TRIALS, _PASSED = 8, 2  # parts of a training after which it may be stopped early, but for the first ones
_NOTICED, _SETTLED = 0.9, 100  # a larger cosine, twice in a row and after so many steps, does not come down again
_COLLAPSED = 0.95

Rows = Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Settings of the loop."""

    steps: int
    """Of the whole training."""
    seed: int
    """Step i draws from (seed, 3, i)."""
    checkpoint_every: int
    """Steps between two checkpoints."""
    stop: bool
    """End as soon as a collapse is noticed."""


def fit(
    head: Head,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    journal: Journal,
    config: LoopConfig,
    *,
    checkpoint: Callable[[int], None],
    worthwhile: Callable[[float], bool],
) -> Collapse | None:
    """Train the head on the batches that are left, log and save on the way.

    Args:
        head: what is trained.
        objective: what for; ready for the next step.
        optimizer: of its groups.
        batches: from the next step on.
        journal: takes what is logged.
        config: settings.
        checkpoint: called with the steps done.
        worthwhile: asked at `trial_steps` whether to go on, given what share of the training is left.

    Returns:
        The collapse that ended the training, if one did.

    Raises:
        UsageError: the loss is not finite.
    """
    steps = config.steps
    pictured = {steps * quarter // 4 for quarter in range(4)} | {steps - 1}
    trials = trial_steps(steps, first=objective.first)
    head.train()
    for batch in batches:
        anchors = to_patches(batch.anchors)
        neighbors = None if batch.neighbors is None else to_patches(batch.neighbors)
        generator = sampler.step_generator(config.seed, batch.step)
        total, parts = objective.loss(head, anchors, neighbors, generator, batch.step)
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        objective.clip_gradients(optimizer)
        optimizer.step()
        objective.after_step(head, batch.step)
        done = batch.step + 1
        if batch.step % _LOG_EVERY == 0 or done == steps:
            values = measure(total, parts, objective.means())
            if "code_negative" not in values and len(anchors.tokens) > 1:
                values["code_negative"] = cosine_of_items(head, anchors)
            _check_finite(values, optimizer, batch.step)
            journal.add(batch.step, values)
            found = noticed(journal.rows, since=objective.first) if config.stop else None
            if found is not None or (batch.step in trials and not worthwhile(1 - done / steps)):
                return found
        if batch.step in pictured and (seen := objective.correlations()):
            journal.add_histograms(batch.step, histograms(seen))
        if done % config.checkpoint_every == 0 and done < steps:
            journal.save()
            checkpoint(done)
    return None


def _check_finite(values: Mapping[str, float], optimizer: torch.optim.Optimizer, step: int) -> None:
    if not np.isfinite(list(values.values())).all():
        lr = optimizer.param_groups[0]["lr"]
        raise UsageError(f"train.lr={lr}: the loss is not finite at step {step}; lower it")


def trial_steps(steps: int, *, first: int) -> list[int]:
    """The logged steps after which a training is asked about: eighths of it from the second on, the end left out.

    Args:
        steps: of the whole training.
        first: the step from which on the head is trained; nothing is asked in the hundred steps after it.

    >>> trial_steps(600, first=0), trial_steps(160, first=0), trial_steps(100, first=0)
    ([150, 230, 300, 380, 450, 530], [100, 120, 140], [])
    """
    ends = (first + (steps - first) * part / _TRIALS for part in range(_PASSED, _TRIALS))
    logged = {math.ceil(max(end, first + _SETTLED) / _LOG_EVERY) * _LOG_EVERY for end in ends}
    return sorted(step for step in logged if step < steps - 1)


def to_patches(crops: Crops) -> Patches:
    """The crops of a step as tensors on the CPU, tokens as they are stored."""
    return Patches(torch.from_numpy(crops.tokens), torch.from_numpy(crops.grids), torch.from_numpy(crops.valid))


def measure(total: Tensor, parts: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, float]:
    """What is logged of a step: the loss, its parts as `loss_<part>`, and the mean of every correlation."""
    values = {"loss": total.item()} | {f"loss_{name}": part.item() for name, part in parts.items()}
    return values | {name: mean.item() for name, mean in means.items()}


def histograms(correlations: Mapping[str, Tensor]) -> dict[str, npt.NDArray[np.int64]]:
    """Histograms of the correlations of codes and of features (as the shifts are compared with), by kind of pair."""
    return {name: count(found.cpu().numpy(), EDGES) for name, found in correlations.items()}


@torch.no_grad()
def cosine_of_items(head: Head, crops: Patches) -> float:
    """Mean cosine of the codes of two valid patches of two different crops, without dropout; crops weigh the same."""
    crops = crops.to(head.mean.device)
    units = functional.normalize(head(crops.tokens), dim=-1) * crops.valid[..., None]
    means = units.sum(1) / crops.valid.sum(1).clamp(min=1)[:, None]
    size = len(means)
    return ((means.sum(0).square().sum() - means.square().sum()) / (size * (size - 1))).item()


def noticed(rows: Rows, *, since: int) -> Collapse | None:
    """Whether the two last logged rows say that codes collapsed: random pairs have a mean cosine above 0.9.

    Args:
        rows: what was logged, with `step` and `code_negative`.
        since: the step from which on the head is trained; a hundred steps later rows begin to count.
    """
    last = rows[-2:]
    if len(last) < 2 or last[0]["step"] <= since + _SETTLED:
        return None
    if min(row.get("code_negative", 0.0) for row in last) <= _NOTICED:
        return None
    return Collapse(step=int(last[-1]["step"]), value=round(last[-1]["code_negative"], 6))


def kinds_of(rows: Rows) -> list[str]:
    """Kinds of pairs whose codes were looked at, random ones last."""
    return [name.removeprefix("code_") for name in rows[-1] if name.startswith("code_")] if rows else []


def last_mean(rows: Rows, name: str) -> float:
    """The mean of the last ten logged values."""
    return round(float(np.mean([row[name] for row in rows[-10:]])), 6)


def collapsed_at_end(rows: Rows) -> Collapse | None:
    """Whether a whole training ended with codes that hardly differ: mean cosine above 0.95 in the last logged rows."""
    kinds = kinds_of(rows)
    value = last_mean(rows, f"code_{kinds[-1]}") if kinds else 0.0
    return Collapse(step=int(rows[-1]["step"]), value=value) if value > _COLLAPSED else None
