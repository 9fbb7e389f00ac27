"""Edits of class names: name, color, merge, leave out; what `segpipe name` and the viewer do, one cluster at a time."""

from __future__ import annotations

import re
from dataclasses import replace

from segpipe.base.shown import quoted
from segpipe.records.class_names import Color, Entry, Naming, NamingError

_COLOR = re.compile(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")


def rename(naming: Naming, cluster: int, name: str) -> Naming:
    """Call a cluster by a name, or by none; what was to join it by its old name still joins it.

    Raises:
        NamingError: there is no such cluster, or the name holds letters that no one can see.
    """
    old, wanted = entry_of(naming, cluster), " ".join(name.split())
    if not wanted.isprintable():
        raise NamingError(cluster, "name", f"{quoted(wanted)} holds letters that no one can see")
    entries = {**naming.entries, cluster: replace(old, name=wanted)}
    if old.name and wanted != old.name and not any(each.name == old.name for each in entries.values()):
        followers = [k for k, each in entries.items() if each.merge_into == old.name]
        entries |= {k: replace(entries[k], merge_into=cluster) for k in followers if k != cluster}
    return replace(naming, entries=entries)


def recolor(naming: Naming, cluster: int, color: str) -> Naming:
    """Give a cluster a color, `#rrggbb`.

    Raises:
        NamingError: there is no such cluster, or the text is no color.
    """
    old = entry_of(naming, cluster)
    return replace(naming, entries={**naming.entries, cluster: replace(old, color=read_color(color, cluster))})


def read_color(text: str, cluster: int) -> Color:
    """The color that a text is.

    Raises:
        NamingError: it is none.
    """
    found = _COLOR.fullmatch(text.strip())
    if not found:
        raise NamingError(cluster, "color", f"{quoted(text)} is no color; write #rrggbb, such as #1f77b4")
    red, green, blue = (int(part, 16) for part in found.groups())
    return red, green, blue


def merge(naming: Naming, cluster: int, into: int) -> Naming:
    """Let a cluster join the class of another.

    Raises:
        NamingError: one of them does not exist, or both are the same.
    """
    old = entry_of(naming, cluster)
    entry_of(naming, into)
    if cluster == into:
        raise NamingError(cluster, "merge_into", f"cluster {cluster} cannot join itself; give another cluster")
    return replace(naming, entries={**naming.entries, cluster: replace(old, merge_into=into)})


def unmerge(naming: Naming, cluster: int) -> Naming:
    """Let a cluster stand by itself again.

    Raises:
        NamingError: there is no such cluster, or it is merged into none.
    """
    old = entry_of(naming, cluster)
    if old.merge_into is None:
        raise NamingError(cluster, "merge_into", f"cluster {cluster} is merged into no other; it stands by itself")
    return replace(naming, entries={**naming.entries, cluster: replace(old, merge_into=None)})


def leave_out(naming: Naming, cluster: int, ignore: bool) -> Naming:
    """Leave a cluster out of the map, or keep it.

    Raises:
        NamingError: there is no such cluster.
    """
    old = entry_of(naming, cluster)
    return replace(naming, entries={**naming.entries, cluster: replace(old, ignore=ignore)})


def entry_of(naming: Naming, cluster: int) -> Entry:
    """What is said of a cluster.

    Raises:
        NamingError: there is none of that number.
    """
    if cluster not in naming.entries:
        last = max(naming.entries, default=-1)
        raise NamingError(cluster, "", f"there is no cluster {cluster}; clusters go from 0 to {last}")
    return naming.entries[cluster]
