"""The settings of a training with nothing left open: what scales with the corpus is a number here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log2
from typing import Any

from segpipe.base.errors import UsageError, named
from segpipe.commands.pretrain.options import PretrainOptions

_PASSES, _LEAST_STEPS, _MOST_STEPS = 100, 1000, 125_000
_LEAST_BATCH, _MOST_BATCH = 16, {"dino": 1024, "dora": 128}  # the largest as published
_LEAST_OUTPUTS, _MOST_OUTPUTS = 1024, 65_536
_HELD_CPU, _HELD_GPU = {"dino": 16, "dora": 2}, {"dino": 64, "dora": 8}  # a clip takes the memory of 8 images
_NOT_RESULT = {
    "images", "out", "preview", "checkpoint_minutes", "tensorboard", "overwrite", "device", "workers", "licence",
    "judge_every", "judge_images", "stop_on_collapse",
}  # fmt: skip
"""Options that cannot change the weights: stopping at a collapse only ends them earlier."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a training."""

    items: int
    """Images, or starting frames of clips."""
    steps: int
    batch: int
    """Items of a step over all processes."""
    micro_batch: int
    """Items held at once."""
    outputs: int
    precision: str

    @property
    def micro_batches(self) -> int:
        """Of a step, over all processes."""
        return self.batch // self.micro_batch


def power_of_two(value: float, low: int, high: int) -> int:
    """The power of two at or below a value, between two powers of two.

    >>> [power_of_two(value, 16, 1024) for value in (3, 73.9, 9000)]
    [16, 64, 1024]
    """
    return int(min(high, max(low, 2 ** int(log2(max(1.0, value))))))


def make_plan(
    options: PretrainOptions, items: int, *, processes: int, gpu: bool, precision: str, earlier: Mapping[str, Any]
) -> Plan:
    """Put numbers where options leave them open.

    Args:
        options: of the command.
        items: how many there are to learn from.
        processes: that share a step.
        gpu: whether networks run on one.
        precision: what `auto` means on this device.
        earlier: the plan of a training that is gone on with, whose open numbers are taken over; or empty.

    Raises:
        UsageError: the batch cannot be shared out evenly.
    """
    batch = options.batch or power_of_two(items / 8, _LEAST_BATCH, _MOST_BATCH[options.method])
    steps = options.steps or min(_MOST_STEPS, max(_LEAST_STEPS, _PASSES * -(-items // batch)))
    outputs = options.outputs or power_of_two(8 * items, _LEAST_OUTPUTS, _MOST_OUTPUTS)
    most = (_HELD_GPU if gpu else _HELD_CPU)[options.method]
    held = options.micro_batch or earlier.get("micro_batch") or _held(batch, processes, most)
    if batch % held or (batch // held) % processes:
        raise UsageError(
            f"{named('batch', batch)} cannot be shared out to {processes} processes in parts of "
            f"{named('micro_batch', held)}; give a batch that is a multiple of {processes * held}"
        )
    chosen = precision if options.precision == "auto" else options.precision
    if options.precision == "auto":
        chosen = str(earlier.get("precision", chosen))
    return Plan(items, steps, batch, held, outputs, chosen)


def _held(batch: int, processes: int, most: int) -> int:
    """The largest part of a batch, up to what is held, that shares it out evenly; of any batch a part of 1 does."""
    fitting = [size for size in range(1, min(most, batch) + 1) if batch % (size * processes) == 0]
    return max(fitting, default=1)


def identity(options: PretrainOptions, plan: Plan, *, data: str, init: str) -> dict[str, Any]:
    """All that decides the weights, as JSON values: a training goes on only where it is the same.

    Args:
        options: of the command.
        plan: its sizes.
        data: fingerprint of the items.
        init: what the first weights are, with what identifies them.
    """
    values = options.model_dump(mode="json", exclude=_NOT_RESULT)
    return values | asdict(plan) | {"data": data, "init": init}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In which settings two differ, `name old -> new`; empty where they are the same."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name)} -> {new.get(name)}" for name in sorted(names))
