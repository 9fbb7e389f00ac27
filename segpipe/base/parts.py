"""Parts: which share of a stage's work one machine of several does, by arithmetic alone.

A part is a range of neighbors among the units of a stage (images, shards of features). No list is kept anywhere: the
number of units and the number of parts say it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from segpipe.base.errors import UsageError, named

AUTO, ENVIRONMENT = "auto", "env"
"""Spellings of `--part` beside i/n: by leases, and by what the scheduler says."""
_MOST = 1_000_000
_SCHEDULERS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"),
    ("SKYPILOT_JOB_RANK", "SKYPILOT_NUM_JOBS", ""),
    ("RANK", "WORLD_SIZE", ""),
)
"""Variables with the rank of a job, how many there are, and the lowest rank (0 where there is none)."""


@dataclass(frozen=True, slots=True)
class PartNumber:
    """Part `number` of `count`, counted from 1."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= _MOST:
            raise ValueError(f"part {self.number} of {self.count}: parts count from 1 to at most {_MOST}")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def of(self, units: int) -> range:
        """The units that are this part's; parts differ by at most one unit, and may hold none.

        >>> [list(PartNumber(number, 3).of(7)) for number in (1, 2, 3)]
        [[0, 1], [2, 3], [4, 5, 6]]
        """
        return range(units * (self.number - 1) // self.count, units * self.number // self.count)


def parse_part(text: str, environment: Mapping[str, str]) -> PartNumber | None:
    """What `--part` says: a part, or None for `auto`, parts by leases.

    Args:
        text: `3/100`, `env` or `auto`.
        environment: variables that schedulers set, for `env`.

    Raises:
        UsageError: it is neither; or `env` where no scheduler says a rank.
    """
    if text == AUTO:
        return None
    if text == ENVIRONMENT:
        return _scheduled(environment)
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise UsageError(f"{named('part', text)}: give i/n such as 3/100, or env, or auto")
    return _part(int(number), int(count), named("part", text))


def _scheduled(environment: Mapping[str, str]) -> PartNumber:
    """The part by the rank that a scheduler gave this job; ranks count from 0, or from the lowest of an array."""
    for rank, count, least in _SCHEDULERS:
        if rank in environment and count in environment:
            values = [environment.get(name, "0") for name in (rank, count, least)]
            if not all(value.isdecimal() for value in values):
                raise UsageError(f"{rank}={values[0]}, {count}={values[1]}: not whole numbers; give --part i/n")
            place, total, first = map(int, values)
            return _part(place - first + 1, total, f"{rank}={place}, {count}={total}")
    raise UsageError(
        f"{named('part', ENVIRONMENT)}: no scheduler says a rank here ({', '.join(row[0] for row in _SCHEDULERS)} "
        "are looked for, each with its count); give --part i/n"
    )


def _part(number: int, count: int, said: str) -> PartNumber:
    try:
        return PartNumber(number, count)
    except ValueError as error:
        raise UsageError(f"{said}: {error}") from error


def spans(numbers: Iterable[int], *, most: int = 12) -> str:
    """Numbers in order as a person writes them, cut off after `most` spans.

    >>> spans([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in found[:most]]
    return ", ".join(texts) + (", ..." if len(found) > most else "")
