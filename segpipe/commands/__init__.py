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
    model,
    name,
    pretrain,
    probe,
    propagate,
    robustness,
    run,
    show,
    similar,
    track,
    view,
)

COMMANDS: tuple[Command, ...] = (
    run.RUN,
    *run.STAGE_COMMANDS,
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
