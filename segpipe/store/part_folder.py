"""What is known of the parts of a run.

RUN/parts/plan.json                    how many parts there are; written once, with a checksum of its own
RUN/parts/<stage>/<key>/00003.json     part 3 was done: what it wrote, how long it took, where
RUN/parts/<stage>/<key>/00003.sums     the checksum of every file that part 3 wrote, a line each
RUN/parts/<stage>/<key>/00003.failed   why part 3 was not done by the last that tried
RUN/parts/<stage>/<key>/closed.json    the round was closed, and how long that took
RUN/parts/<stage>/<key>/00003.lease    part 3 is being done; see `store.leases`
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from pydantic import BaseModel, ValidationError

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.records.part_record import PartFailure, PartPlan, PartRecord

FOLDER = "parts"
CLOSED = "closed.json"
"""What is noted of who closed a round."""
_DONE, _SUMS, _FAILED = ".json", ".sums", ".failed"
_FORMAT = 1

M = TypeVar("M", bound=BaseModel)
FileSums = Sequence[tuple[str, str]]
"""Path and SHA-256, hexadecimal, of files in order."""


def part_name(number: int) -> str:
    """What files of a part are called.

    >>> part_name(3)
    '00003'
    """
    return f"{number:05}"


def save_plan(root: Path, plan: PartPlan) -> None:
    """Write the plan of a run."""
    _write(root / FOLDER / "plan.json", plan)


def load_plan(root: Path) -> PartPlan | None:
    """The plan of a run, None where it has none.

    Raises:
        UsageError: it is damaged.
    """
    path = root / FOLDER / "plan.json"
    try:
        return _read(path, PartPlan)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UsageError(
            f"{path} is damaged ({error}); make it anew with `segpipe plan {root} --parts N --overwrite`"
        ) from error


class PartFolder:
    """The parts of one stage at one key."""

    def __init__(self, root: Path, stage: str, key: str) -> None:
        """Name the folder; it is made when something is written."""
        self.path = root / FOLDER / stage / key
        self._stage, self._key = stage, key

    def has(self, number: int) -> bool:
        """Whether a part has a record, whatever it says."""
        return (self.path / f"{part_name(number)}{_DONE}").exists()

    def done(self, number: int, parts: int) -> PartRecord | None:
        """The record of a part; None where it was not done, or its record is damaged or of another number of parts."""
        try:
            record = _read(self.path / f"{part_name(number)}{_DONE}", PartRecord)
        except (OSError, ValueError):
            return None
        fits = (record.stage, record.key, record.part, record.parts) == (self._stage, self._key, number, parts)
        return record if fits else None

    def records(self, parts: int) -> dict[int, PartRecord]:
        """The records of all parts that were done, by number."""
        found = ((number, self.done(number, parts)) for number in self._numbers(_DONE))
        return {number: record for number, record in found if record is not None}

    def failures(self) -> dict[int, PartFailure]:
        """Why parts were not done, by number."""
        found = {}
        for number in self._numbers(_FAILED):
            try:
                found[number] = _read(self.path / f"{part_name(number)}{_FAILED}", PartFailure)
            except (OSError, ValueError):  # it is being replaced
                continue
        return found

    def _numbers(self, ending: str) -> list[int]:
        names = (path.name.removesuffix(ending) for path in self.path.glob(f"*{ending}"))
        return sorted(int(name) for name in names if name.isdecimal())

    def save(self, record: PartRecord, sums: FileSums = ()) -> None:
        """Write what a part wrote and its record, and forget why it failed before."""
        lines = (f"{sha256} {quote(name, errors='surrogateescape')}\n" for name, sha256 in sums)
        files.write_text(self.path / f"{part_name(record.part)}{_SUMS}", "".join(lines))
        _write(self.path / f"{part_name(record.part)}{_DONE}", record)
        (self.path / f"{part_name(record.part)}{_FAILED}").unlink(missing_ok=True)

    def sums(self, record: PartRecord) -> FileSums | None:
        """The files that a part wrote; None where that is not known, or is not what its record says."""
        try:
            lines = files.read_text(self.path / f"{part_name(record.part)}{_SUMS}").splitlines()
            found = [(unquote(name, errors="surrogateescape"), sha256) for sha256, _, name in map(_cut, lines)]
        except (OSError, ValueError):
            return None
        return found if (len(found), sum_of(found)) == (record.files, record.sha256) else None

    def fail(self, failure: PartFailure) -> None:
        """Note why a part was not done."""
        _write(self.path / f"{part_name(failure.part)}{_FAILED}", failure)

    def note_closing(self, seconds: float) -> None:
        """Note that the round was closed, and how long that took."""
        files.write_json(self.path / CLOSED, {"seconds": round(seconds, 3)})

    @property
    def closing_seconds(self) -> float:
        """How long closing the round took; 0 where it is not known."""
        try:
            return float(files.read_json(self.path / CLOSED)["seconds"])
        except (OSError, ValueError, LookupError, TypeError):
            return 0.0

    def forget(self, number: int) -> None:
        """Delete the record of a part: its files are not what it says, or it says nothing."""
        (self.path / f"{part_name(number)}{_SUMS}").unlink(missing_ok=True)
        (self.path / f"{part_name(number)}{_DONE}").unlink(missing_ok=True)


def sum_files(folder: Path, names: Iterable[str]) -> tuple[FileSums, int]:
    """Path and SHA-256 of those files of a folder that are there, in the order of their names; and bytes of all."""
    found, total = list[tuple[str, str]](), 0
    for name in names:
        path = folder / name
        if path.exists():
            found.append((name, files.sha256(path)))
            total += path.stat().st_size
    return found, total


def sum_of(sums: FileSums) -> str:
    """One SHA-256 over names and checksums of files, in order."""
    whole = hashlib.sha256()
    for name, sha256 in sums:
        whole.update(f"{sha256} {name}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _cut(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def measure(folder: Path, names: Iterable[str]) -> tuple[int, int]:
    """Number and bytes of those files of a folder that are there."""
    count, total, root = 0, 0, os.fspath(folder)
    for name in names:
        try:
            total += os.stat(f"{root}/{name}").st_size  # noqa: PTH116  a million of them
        except OSError:
            continue
        count += 1
    return count, total


def _write(path: Path, value: BaseModel) -> None:
    values = value.model_dump(mode="json")
    files.write_json(path, {**values, "sha256_of_this": _seal(values)})


def _read(path: Path, kind: type[M]) -> M:
    """A sealed record.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of another version.
    """
    values = files.read_json(path)
    if values.pop("sha256_of_this", None) != _seal(values):
        raise ValueError("its bytes changed")
    if values.get("format", _FORMAT) != _FORMAT:
        raise ValueError(f"it has format {values['format']}, not {_FORMAT}")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{error.error_count()} wrong fields") from error


def _seal(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
