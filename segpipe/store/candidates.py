"""The candidates of a training: candidates.json, and what is left of their folders."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shown import shorten
from segpipe.records.candidates import Candidate

_TABLE, _FOLDERS, _OUTCOME = "candidates.json", "candidates", "outcome.json"
_KEPT = ("history.jsonl",)


def folder(head: Path, name: str) -> Path:
    """Where a candidate is made, inside `head/`; created where it is not there."""
    path = head / _FOLDERS / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def save_outcome(candidate: Candidate, path: Path) -> None:
    """Say in a candidate's folder that it is finished; to be written after everything else there."""
    files.write_json(path / _OUTCOME, candidate.model_dump(mode="json"))


def load_outcome(path: Path) -> Candidate | None:
    """What is said in a candidate's folder; None where it is not finished, or what is said is damaged."""
    try:
        return Candidate.model_validate_json(files.read_text(path / _OUTCOME))
    except (FileNotFoundError, ValidationError):
        return None


def save_candidates(candidates: Sequence[Candidate], path: Path) -> None:
    """Write `candidates.json` into the directory `path`."""
    files.write_json(path / _TABLE, [candidate.model_dump(mode="json") for candidate in candidates])


def load_candidates(path: Path) -> list[Candidate]:
    """Read the table from `head/`; empty where there is none.

    Raises:
        UsageError: the file is damaged.
    """
    if not (path / _TABLE).exists():
        return []
    try:
        return [Candidate.model_validate(row) for row in files.parse_json(files.read_text(path / _TABLE))]
    except (ValueError, TypeError) as error:  # ValidationError is a ValueError
        text = shorten(" ".join(str(error).split()), 120)
        raise UsageError(f"{path / _TABLE} is damaged ({text}); make it again with `segpipe train`") from error


def keep_chosen(path: Path, candidates: Sequence[Candidate]) -> None:
    """Move the files of the chosen candidate to the top of `path`; of the others only the history stays.

    Every step may be repeated: a process that was killed in here is started again and does what is left.
    """
    for candidate in candidates:
        made_in = path / _FOLDERS / candidate.name
        if not made_in.is_dir():
            continue
        for entry in sorted(made_in.iterdir()):
            if candidate.chosen and entry.name != _OUTCOME:
                entry.replace(path / entry.name)
            elif candidate.chosen or entry.name not in _KEPT:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if not any(made_in.iterdir()):
            made_in.rmdir()
    folders = path / _FOLDERS
    if folders.is_dir() and not any(folders.iterdir()):
        folders.rmdir()
