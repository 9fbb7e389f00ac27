"""Actions on class names: from what the page asks for to names and to the command line that does the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.commands.view.asked import BadRequest, flag, text, whole
from segpipe.records.class_names import Entry, Naming, NamingError, called
from segpipe.records.naming_edits import leave_out, merge, recolor, rename, unmerge
from segpipe.records.palette import hex_color

EntryRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NamingAction:
    """One change of what is said of the clusters."""

    said: str
    """In words."""
    options: tuple[str, ...]
    """Of `segpipe name`."""
    change: Callable[[Naming], Naming]


def naming_action(given: Mapping[str, Any]) -> NamingAction | None:
    """The action that a request means; None where it is none on names.

    Raises:
        BadRequest: something is missing or of another type.
    """
    kind = given.get("action")
    if kind not in ("name", "color", "merge", "unmerge", "ignore"):
        return None
    k = whole(given, "cluster", most=65535)
    if kind == "name":
        name = " ".join(text(given, "name").split())
        said = f"name cluster {k} {name}" if name else f"take the name of cluster {k} away"
        return NamingAction(said, ("--name", str(k), name), lambda naming: rename(naming, k, name))
    if kind == "color":
        color = text(given, "color", most=20)
        return NamingAction(f"color cluster {k} {color}", ("--color", str(k), color), lambda n: recolor(n, k, color))
    if kind == "merge":
        into = whole(given, "into", most=65535)
        return NamingAction(f"merge {k} into {into}", ("--merge", str(k), str(into)), lambda n: merge(n, k, into))
    if kind == "unmerge":
        return NamingAction(f"unmerge {k}", ("--unmerge", str(k)), lambda n: unmerge(n, k))
    ignore = flag(given, "ignore")
    said, option = (f"leave {k} out", "--ignore") if ignore else (f"keep {k}", "--keep")
    return NamingAction(said, (option, str(k)), lambda n: leave_out(n, k, ignore))


def changed(action: NamingAction, naming: Naming, clusters: int) -> Naming:
    """The names after an action.

    Raises:
        BadRequest: what is asked for cannot be meant.
    """
    try:
        found = action.change(naming)
        found.legend(clusters)
    except NamingError as error:
        where = "" if error.cluster is None else f"cluster {error.cluster}: "
        raise BadRequest(f"{where}{error}") from error
    return found


def command(root: Path, options: tuple[str, ...] | list[str]) -> str:
    """A `segpipe name` as it is typed.

    >>> command(Path("runs/reef"), ["--name", "3", "soft coral"])
    "segpipe name runs/reef --name 3 'soft coral'"
    """
    return shlex.join(["segpipe", "name", str(root), *options])


def difference(old: Naming, new: Naming) -> tuple[dict[str, EntryRow], dict[str, EntryRow]]:
    """The entries that differ, as they were and as they are, for a journal."""
    keys = [k for k in sorted({*old.entries, *new.entries}) if old.entries.get(k) != new.entries.get(k)]
    before, after = ({str(k): row_of(each.entries[k]) for k in keys if k in each.entries} for each in (old, new))
    return before, after


def row_of(entry: Entry) -> EntryRow:
    """An entry for JSON."""
    return {
        "name": entry.name,
        "color": hex_color(entry.color),
        "merge_into": entry.merge_into,
        "ignore": entry.ignore,
    }


def entry_from(row: Mapping[str, Any]) -> Entry:
    """What `row_of` made.

    Raises:
        LookupError, ValueError, TypeError: it is none.
    """
    color = str(row["color"])
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    into = row["merge_into"]
    return Entry((red, green, blue), str(row["name"]), into if into is None or isinstance(into, int) else str(into),
                 bool(row["ignore"]))  # fmt: skip


def restored(naming: Naming, now: Mapping[str, EntryRow], then: Mapping[str, EntryRow]) -> Naming:
    """Names with some entries put back.

    Args:
        naming: as they are.
        now: entries as they must be for that.
        then: as they shall be.

    Raises:
        BadRequest: somebody has changed one of them since; what was written since is kept.
    """
    for key, row in now.items():
        entry = naming.entries.get(int(key))
        if entry is None or row_of(entry) != row:
            name = called(int(key), entry.name if entry else "")
            raise BadRequest(
                f"cluster {key} ({name}) was changed in classes.yaml since; change it there, this is not undone"
            )
    return Naming({**naming.entries, **{int(key): entry_from(row) for key, row in then.items()}}, naming.clustering)


def options_between(old: Mapping[str, EntryRow], new: Mapping[str, EntryRow]) -> list[str]:
    """Options of `segpipe name` that lead from some entries to others."""
    found = list[str]()
    for key, row in new.items():
        was = old.get(key, {})
        if was.get("name") != row["name"]:
            found += ["--name", key, row["name"]]
        if was.get("color") != row["color"]:
            found += ["--color", key, row["color"]]
        if was.get("merge_into") != row["merge_into"]:
            into = row["merge_into"]
            found += ["--unmerge", key] if into is None else ["--merge", key, str(into)]
        if was.get("ignore") != row["ignore"]:
            found += ["--ignore" if row["ignore"] else "--keep", key]
    return found
