"""What an artefact is made in by several processes at once, without the run's lock.

`NAME.partial` appears with all that the processes have to agree on: whoever comes first lays it out beside and gives it
its name in one step, and whoever comes later takes what is there. Then each writes its own units.

Work that needs all units before it can go on is done in rounds: the units of a round are written by many, one process
closes the round by joining what they wrote, and the next round begins.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from segpipe.base import files
from segpipe.base.runtime import Runtime
from segpipe.store.run_dir import KEY, RunDir, belongs, drop_begun


class UnitsOfWork(Protocol):
    """A stage's work on an artefact that is laid out, by units."""

    @property
    def units(self) -> int:
        """How many there are."""
        ...

    def lay_out(self) -> None:
        """Write into an empty folder what all parts have to agree on."""
        ...

    def write(self, units: range) -> None:
        """Do these units, but for those that are done."""
        ...

    def names(self, units: range) -> Sequence[str]:
        """The files that these units are written to, from the artefact's folder; one that has nothing to say lacks."""
        ...


W = TypeVar("W")


@contextmanager
def closed_after(work: W) -> Iterator[W]:
    """Work whose processes, if it has begun any (`close`), end with the block."""
    try:
        yield work
    finally:
        close = getattr(work, "close", None)
        if close is not None:
            close()


@dataclass(frozen=True, slots=True)
class Round:
    """Which round of a work is open."""

    number: int = 1
    of: int = 1
    what: str = ""
    """What is done in it."""

    @property
    def last(self) -> bool:
        """Whether what its units write is all that there is to write by units: the stage itself closes it."""
        return self.number >= self.of

    def key(self, key: str) -> str:
        """What the records of its parts are kept under: the key of the stage, and the number where there are several.

        >>> Round(2, 4).key("0f"), Round().key("0f")
        ('0f-2', '0f')
        """
        return f"{key}-{self.number}" if self.of > 1 else key

    def __str__(self) -> str:
        return f"{self.number} of {self.of} ({self.what})"


class RoundsOfWork(UnitsOfWork, Protocol):
    """Work in rounds. An object is of the round that was open when it was made: its units, what it writes, the names.

    A round that was closed stays so; who still works in it does no harm.
    """

    @property
    def round(self) -> Round:
        """The round that is this object's."""
        ...

    def needs(self, units: range) -> Sequence[str]:
        """The files that `write` reads for these units, of what units wrote in earlier rounds."""
        ...

    def joins(self) -> Sequence[str]:
        """The files of units that are read by who closes the round; where it is the last, by the stage itself."""
        ...

    def close_round(self) -> None:
        """Join what all units of the round have written, which is not the last; the next one is open then."""
        ...

    def closed(self, number: int) -> Sequence[str]:
        """The files that closing a round wrote, which all units of later ones read."""
        ...


def in_rounds(work: UnitsOfWork) -> RoundsOfWork | None:
    """A work that is done in rounds as such, None where it has none; nothing of it is opened."""
    return cast(RoundsOfWork, work) if hasattr(type(work), "close_round") else None


def round_of(work: UnitsOfWork) -> Round:
    """The round that a work is in; the only one of a work that has none."""
    found = in_rounds(work)
    return Round() if found is None else found.round


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a stage whose work can be cut into parts offers beside `run`, which finishes what parts have left."""

    open: Callable[[Any, RunDir, Path, Runtime], UnitsOfWork]
    """From settings, run, the artefact's folder and runtime to the work; nothing heavy is opened yet."""
    laid_out: Callable[[Path], bool]
    """Whether what all parts have to agree on is there."""


def shared_folder(
    run_dir: RunDir, artefact: str, key: str, *, lay_out: Callable[[Path], None], laid_out: Callable[[Path], bool]
) -> Path:
    """The folder in which an artefact is being made at a key, laid out.

    The run's lock is taken for a moment where the leftovers of an attempt at another key are in the way.

    Raises:
        LockedError: they are, and another command holds the run.
        As `lay_out`.
    """
    folder = run_dir.root / f"{artefact}.partial"
    if belongs(folder, key) and laid_out(folder):
        return folder
    own = files.folder_beside(folder)
    own.mkdir()
    try:
        lay_out(own)
        files.write_text(own / KEY, key)
        try:
            own.rename(folder)
        except OSError:  # another was first, or something lies there
            if not (belongs(folder, key) and laid_out(folder)):
                _replace(run_dir, own, folder, lambda: belongs(folder, key) and laid_out(folder))
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return folder


def _replace(run_dir: RunDir, own: Path, folder: Path, there: Callable[[], bool]) -> None:
    with run_dir.lock():
        if there():
            return
        drop_begun(folder)
        own.rename(folder)
