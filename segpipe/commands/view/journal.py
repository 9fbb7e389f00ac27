"""Journal of what was done in the viewer: RUN/view.journal.jsonl, one line for each action, undo and redo.

Lines are only added, so undo works after the page and the server were closed. An entry holds what stood before and
after, so that undo restores just that, and is refused where somebody has changed it since.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.base import files

JOURNAL = "view.journal.jsonl"
KINDS = ("naming", "points", "setting", "split")


@dataclass(frozen=True, slots=True)
class Done:
    """One action."""

    number: int
    kind: str
    """What it changed: one of `KINDS`."""
    said: str
    """In words, such as `name cluster 3 sand`."""
    command: str
    """That does the same."""
    clustering: str
    """Fingerprint of the clusters that it speaks of; empty where it speaks of none."""
    before: Any
    after: Any
    later: str = ""
    """Fingerprint of the clusters that it has made, where it has changed them."""

    def row(self) -> dict[str, Any]:
        """For a line of the journal."""
        return {
            "done": self.number,
            "kind": self.kind,
            "said": self.said,
            "command": self.command,
            "clustering": self.clustering,
            "later": self.later,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class History:
    """What can be undone and redone, the newest last."""

    undo: tuple[Done, ...] = ()
    redo: tuple[Done, ...] = ()
    last: int = 0
    """Largest number of an action."""
    damaged: int = 0
    """Lines that could not be read."""

    def with_done(self, entry: Done) -> History:
        """After an action: nothing can be redone any more."""
        return History((*self.undo, entry), (), max(self.last, entry.number), self.damaged)

    def with_undone(self, number: int) -> History:
        """After an action was undone."""
        entry = next((each for each in self.undo if each.number == number), None)
        if entry is None:
            return self
        left = tuple(each for each in self.undo if each.number != number)
        return History(left, (*self.redo, entry), self.last, self.damaged)

    def with_redone(self, number: int) -> History:
        """After an action was done again."""
        entry = next((each for each in self.redo if each.number == number), None)
        if entry is None:
            return self
        left = tuple(each for each in self.redo if each.number != number)
        return History((*self.undo, entry), left, self.last, self.damaged)

    def to_undo(self, clustering: str) -> Done | None:
        """The newest action that speaks of the clusters there are; those of others are passed over."""
        return next((each for each in reversed(self.undo) if (each.later or each.clustering) in ("", clustering)), None)

    def to_redo(self, clustering: str) -> Done | None:
        """The action undone last that speaks of the clusters there are."""
        return next((each for each in reversed(self.redo) if each.clustering in ("", clustering)), None)


class ActionJournal:
    """The journal of a run; whoever writes holds the run's lock."""

    def __init__(self, root: Path) -> None:
        self.path = root / JOURNAL
        self._seen: tuple[int, int] | None = None
        self._history = History()

    def history(self) -> History:
        """What can be undone and redone; lines that cannot be read are passed over."""
        try:
            stat = self.path.stat()
        except OSError:
            self._seen, self._history = None, History()
            return self._history
        if (stat.st_size, stat.st_mtime_ns) != self._seen:
            self._history = read_history(self.path.read_bytes())
            self._seen = stat.st_size, stat.st_mtime_ns
        return self._history

    def add(self, entry: Done) -> None:
        """Write down an action."""
        self._append(entry.row())

    def add_undo(self, entry: Done) -> None:
        """Write down that an action was undone."""
        self._append({"undo": entry.number})

    def add_redo(self, entry: Done) -> None:
        """Write down that an action was done again."""
        self._append({"redo": entry.number})

    def _append(self, row: Mapping[str, Any]) -> None:
        line = json.dumps({**row, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")}, ensure_ascii=True) + "\n"
        with self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else f"\n{line}"  # the line of a process that was killed
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def read_history(content: bytes) -> History:
    """What the lines of a journal come to."""
    found, damaged = History(), 0
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = files.parse_json(line)
            if "done" in row:
                found = found.with_done(_entry(row))
            elif "undo" in row:
                found = found.with_undone(row["undo"])
            else:
                found = found.with_redone(row["redo"])
        except (ValueError, LookupError, TypeError):
            damaged += 1
    return History(found.undo, found.redo, found.last, damaged)


def _entry(row: Mapping[str, Any]) -> Done:
    entry = Done(
        row["done"],
        row["kind"],
        row["said"],
        row["command"],
        row["clustering"],
        row["before"],
        row["after"],
        row.get("later", ""),
    )
    texts = (entry.said, entry.command, entry.clustering, entry.later)
    if type(entry.number) is not int or entry.kind not in KINDS or not all(isinstance(text, str) for text in texts):
        raise ValueError("an entry of other types")
    return entry
