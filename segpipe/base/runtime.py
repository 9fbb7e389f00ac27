"""Runtime: device, number of workers and progress tracker of a stage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

from segpipe.base.errors import MachineError, named

T = TypeVar("T")


class Track(Protocol):
    """Passes items through and shows how far the work is."""

    def __call__(self, items: Iterable[T], *, total: int, unit: str, done: int = 0) -> Iterator[T]:
        """Yield `items`; `total` counts them all, `done` of which were finished earlier; `unit` is a plural noun."""
        ...


def no_track(items: Iterable[T], *, total: int, unit: str, done: int = 0) -> Iterator[T]:
    """Pass items through and show nothing."""
    return iter(items)


@dataclass(frozen=True)
class Runtime:
    """Where a stage computes and how it tells its progress. It cannot change results beyond rounding."""

    wanted: str = "cpu"
    """Device by its name, or auto."""
    workers: int = 1
    track: Track = no_track

    @cached_property
    def device(self) -> str:
        """The device by its name. It takes two seconds to find the best one: stages without a network do not ask."""
        return pick_device(self.wanted) if self.wanted == "auto" else self.wanted

    @property
    def used(self) -> str:
        """The device that was asked for, `cpu` where none was."""
        return self.device if "device" in vars(self) or self.wanted != "auto" else "cpu"


def pick_device(wanted: str) -> str:
    """Resolve `auto` to the best device at hand.

    Raises:
        MachineError: a device was asked for by name and is not there.
    """
    import torch  # heavy: only commands that compute pay for it

    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present.get(wanted.split(":")[0], False):
        raise MachineError(
            f"{named('runtime.device', wanted)} is not on this machine; here: "
            f"{', '.join(name for name, there in present.items() if there)} (or leave it at auto)"
        )
    return wanted


def make_runtime(device: str = "auto", workers: int = 0, track: Track = no_track) -> Runtime:
    """Resolve a device by name, and the number of workers; 0 means one per processor.

    Raises:
        MachineError: a device was asked for by name and is not there.
    """
    wanted = device if device == "auto" else pick_device(device)
    return Runtime(wanted, workers=workers or cpu_count(), track=track)


def cpu_count() -> int:
    """Processors this process may use (a container's or a job's share, not the machine's)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
