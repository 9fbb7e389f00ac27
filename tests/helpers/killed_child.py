"""Runs `segpipe` and kills itself with SIGKILL inside one stage, in a process that `forked` begins.

Moments: `middle` after half of the stage's items, `before` its artefact takes its name, `after` it did but before the
manifest knows.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from segpipe.cli.entry import main
from segpipe.pipeline import running
from segpipe.store.run_dir import RunDir


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(stage: str, moment: str) -> None:
    run_stage, resuming = running.run_stage, RunDir.resuming

    def track(items: Iterable[Any], *, total: int, unit: str, done: int = 0) -> Iterator[Any]:
        for count, item in enumerate(items, start=done + 1):
            yield item
            if 2 * count >= total:
                die()

    @contextmanager
    def dying(self: RunDir, artefact: str) -> Iterator[Path]:
        with resuming(self, artefact) as partial:
            yield partial
            if moment in ("before", "middle"):
                die()
        die()

    def armed(step: Any, settings: Any, run_dir: Any, runtime: Any) -> Any:
        if stage == step.stage.NAME:
            if moment == "middle":
                runtime = replace(runtime, track=track)
            RunDir.resuming = dying  # type: ignore[method-assign]
        return run_stage(step, settings, run_dir, runtime)

    running.run_stage = armed


def work_until_killed(stage: str, moment: str, arguments: list[str]) -> None:
    """Run a command of `segpipe` up to a moment of a stage."""
    arm(stage, moment)
    main(arguments)
