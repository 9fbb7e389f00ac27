"""Stages: one package each. `STAGES` is the pipeline, in order; commands, settings and help are made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from segpipe.base import files
from segpipe.base.config import Section
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.stages import cluster, cover, evaluate, export, extract, index, mine, refine, report, train
from segpipe.store.run_dir import Artefact, RunDir
from segpipe.store.shared_work import Sharing


class Stage(Protocol):
    """A stage module.

    Optional are `accept`, `input_files`, `stamps`, `cost`, `instant`, `OPTIONAL_INPUTS`, `USER_FILES`, `NOT_CONTENT`,
    `UNLISTED`, `PROGRESS`, `SHARING`.

    Files of its artefact that are `UNLISTED` have no checksum in the run: they hold their own, or nobody reads them.
    `PROGRESS` is the folder in it of what making it goes on from, which is not there any more once it is finished.
    """

    @property
    def NAME(self) -> str:
        """The verb: module, command, config section."""
        ...

    @property
    def ARTEFACT(self) -> str:
        """The directory in the run that it writes."""
        ...

    @property
    def NEEDS(self) -> tuple[str, ...]:
        """The stages whose artefacts it reads."""
        ...

    @property
    def FORMAT(self) -> int:
        """Raised when the artefact's layout or meaning changes, so that old ones are made again."""
        ...

    @property
    def FILES(self) -> Mapping[str, str]:
        """What lies in its artefact: patterns of paths, and what such a file holds; the first that fits counts."""
        ...

    @property
    def Config(self) -> type[Section]:
        """The stage's settings."""
        ...

    @property
    def run(self) -> Callable[[Any, RunDir, Runtime], BaseModel]:
        """Read artefacts, compute, write one artefact, return a summary."""
        ...


STAGES: tuple[Stage, ...] = (index, extract, mine, train, cluster, refine, export, evaluate, cover, report)

ARTEFACTS = {
    stage.ARTEFACT: Artefact(stage.NAME, getattr(stage, "UNLISTED", ()), getattr(stage, "PROGRESS", ""))
    for stage in STAGES
}
MAKERS = {name: artefact.maker for name, artefact in ARTEFACTS.items()}


def accept(stage: Stage, config: Section) -> None:
    """See before any work that a stage can begin with its settings: what they name exists.

    Raises:
        SegpipeError: it cannot; the line is that of the stage itself.
    """
    function = getattr(stage, "accept", None)
    if function:
        function(config)
    for path in () if hasattr(stage, "stamps") else input_files(stage, config):
        if not path.exists():
            raise UsageError(f"{path} does not exist; correct the path")


def input_files(stage: Stage, config: Section) -> list[Path]:
    """The user's files that a stage's result depends on besides its settings and artefacts."""
    function = getattr(stage, "input_files", None)
    return list(function(config)) if function else []


def stamps_of(stage: Stage, config: Section) -> str:
    """A fingerprint of names, sizes and times of these files; a stage whose files are very many has its own.

    Raises:
        OSError: one is gone.
    """
    function = getattr(stage, "stamps", None)
    return str(function(config)) if function else files.stamps(input_files(stage, config))


def is_instant(stage: Stage, config: Section) -> bool:
    """Whether a stage takes a moment with these settings, so that a command for a later one may do it again too."""
    found = getattr(stage, "instant", None)
    return bool(found(config)) if found is not None else False


def sharing_of(stage: Stage) -> Sharing | None:
    """How its work is cut into parts; None where it is done at once."""
    return getattr(stage, "SHARING", None)


def optional_inputs(stage: Stage) -> tuple[str, ...]:
    """Stages whose artefacts it reads where they exist, and does without where they do not."""
    return getattr(stage, "OPTIONAL_INPUTS", ())


def user_files(stage: Stage) -> tuple[str, ...]:
    """Files that a person writes into the run's directory, and that its result depends on where they exist."""
    return getattr(stage, "USER_FILES", ())


def not_content(stage: Stage) -> tuple[str, ...]:
    """Patterns of files in its artefact by which nobody knows it: dated, read by no stage, or told by others there."""
    return getattr(stage, "NOT_CONTENT", ())


def cost_of(stage: Stage, settings: Mapping[str, Section], work: Work) -> Cost:
    """The cost a stage expects; a stage without `cost(config, work)` costs next to nothing."""
    function = getattr(stage, "cost", None)
    return function(settings[stage.NAME], work) if function else Cost(1, 10_000)
