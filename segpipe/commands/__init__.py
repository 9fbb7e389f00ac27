"""One room per command; `COMMANDS` is the table from which the terminal and the Python functions are made."""

from __future__ import annotations

from segpipe.base.options import Command
from segpipe.commands import (
    attend,
    backbones,
    change,
    check,
    demo,
    diff,
    doctor,
    merge,
    model,
    name,
    plan,
    pretrain,
    probe,
    propagate,
    robustness,
    run,
    show,
    similar,
    status,
    track,
    view,
)

COMMANDS: tuple[Command, ...] = (
    run.RUN,
    *run.STAGE_COMMANDS,
    plan.COMMAND,
    status.COMMAND,
    merge.COMMAND,
    name.COMMAND,
    attend.COMMAND,
    probe.COMMAND,
    robustness.COMMAND,
    similar.COMMAND,
    change.COMMAND,
    propagate.COMMAND,
    track.COMMAND,
    pretrain.COMMAND,
    view.COMMAND,
    model.BUNDLE,
    model.APPLY,
    show.COMMAND,
    check.COMMAND,
    diff.COMMAND,
    backbones.COMMAND,
    doctor.COMMAND,
    demo.SAMPLE,
    demo.DEMO,
)
"""In the order in which they are listed."""
