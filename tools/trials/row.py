"""What a trial found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Row:
    """A line of the scorecard's table: how many tries of one kind ended how."""

    trial: str
    """What was tried, in words."""
    good: Sequence[str]
    """The outcomes that are as they should be; all others are failures."""
    bad: Sequence[str]
    """The outcomes that must not be, for the table: nothing is hidden by a column that is missing."""
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """Of each failure: which try, and what came of it."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Further numbers, such as how many events there are in all."""

    def add(self, outcome: str, about: str) -> None:
        """Count one try. `about` says which and what was seen; it is kept where the try failed."""
        if outcome not in (*self.good, *self.bad):
            raise ValueError(f"{outcome!r} is none of {(*self.good, *self.bad)}")
        self.outcomes[outcome] += 1
        if outcome not in self.good:
            self.failures.append(f"{outcome}: {about}")

    @property
    def tried(self) -> int:
        """How many tries were made."""
        return self.outcomes.total()

    def line(self) -> str:
        """The row as a line of a Markdown table: trial, tries, outcomes."""
        counts = [f"{self.outcomes[name]} {name}" for name in self.good if self.outcomes[name]]
        counts += [f"**{self.outcomes[name]} {name}**" if self.outcomes[name] else f"0 {name}" for name in self.bad]
        notes = "".join(f"; {value} {name}" for name, value in self.notes.items())
        return f"| {self.trial} | {self.tried}{notes} | {', '.join(counts)} |"

    def as_json(self) -> dict[str, Any]:
        """Everything, for a JSON file."""
        return {**asdict(self), "outcomes": dict(self.outcomes), "tried": self.tried}


def sample(items: Iterable[T], count: int, seed: int) -> list[T]:
    """All items, or `count` of them drawn by a seed where there are more; 0 draws all. Their order stays."""
    found = list(items)
    if not count or len(found) <= count:
        return found
    return [found[i] for i in sorted(random.Random(seed).sample(range(len(found)), count))]
