"""Class names: what a person says of clusters; names, colors, merges, and what is left out."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from segpipe.base.shown import quoted, shorten
from segpipe.records.legend import Legend

Color = tuple[int, int, int]


class NamingError(ValueError):
    """Something that a person wrote cannot be meant; tells where, so that the line can be found."""

    def __init__(self, cluster: int | None, field: str, problem: str) -> None:
        super().__init__(problem)
        self.cluster = cluster
        self.field = field


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one cluster."""

    color: Color
    """RGB, 0 to 255."""
    name: str = ""
    """Empty: not named yet."""
    merge_into: int | str | None = None
    """The cluster, or the name, whose class it joins."""
    ignore: bool = False
    """Left out of the map."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What is said of all clusters."""

    entries: Mapping[int, Entry]
    """By the number of the cluster."""
    clustering: str = ""
    """Fingerprint of the clusters that are spoken of; empty where unknown."""

    def legend(self, clusters: int) -> Legend:
        """The classes that are meant. Clusters of one name are one class; it has the color of the first of them.

        Args:
            clusters: how many there are.

        Raises:
            NamingError: a cluster is missing or unknown, a merge leads nowhere or in a circle, two names look like a
                slip of the hand, or nothing is left on the map.
        """
        _check_clusters(self.entries, clusters)
        roots = [self._root(k) for k in range(clusters)]
        shown = sorted({root for root in roots if root is not None})
        if not shown:
            raise NamingError(0, "ignore", "every cluster is left out, so nothing is on the map; keep at least one")
        _check_names({k: self.entries[k].name for k in shown}, self.entries)
        places: dict[str, int] = {}
        for k in shown:
            places.setdefault(called(k, self.entries[k].name), k)
        names = tuple(places)
        classes = [-1 if k is None else names.index(called(k, self.entries[k].name)) for k in roots]
        colors = np.array([self.entries[k].color for k in places.values()], np.uint8)
        return Legend(names, colors, np.array(classes, np.int64))

    def _root(self, cluster: int) -> int | None:
        """The cluster whose name and color a cluster has on the map; None where it is left out."""
        path = [cluster]
        while not self.entries[path[-1]].ignore:
            target = self._target(path[-1])
            if target is None:
                return path[-1]
            if target in path:
                circle = " -> ".join(map(str, [*path[path.index(target) :], target]))
                raise NamingError(
                    path[-1], "merge_into", f"merges in a circle ({shorten(circle)}); empty one merge_into of it"
                )
            path.append(target)
        return None

    def _target(self, cluster: int) -> int | None:
        into = self.entries[cluster].merge_into
        if into is None:
            return None
        if isinstance(into, int):
            if into not in self.entries:
                last = max(self.entries)
                raise NamingError(cluster, "merge_into", f"{into} is no cluster; clusters go from 0 to {last}")
            return into
        holders = [k for k, entry in self.entries.items() if entry.name == into and k != cluster]
        if not holders:
            names = sorted({entry.name for entry in self.entries.values() if entry.name})
            close = difflib.get_close_matches(into, names, 1)
            hint = f"did you mean {quoted(close[0])}?" if close else "give the number of a cluster, or the name of one"
            raise NamingError(cluster, "merge_into", f"{quoted(into)} is the name of no other cluster; {hint}")
        return next((k for k in holders if self.entries[k].merge_into is None), holders[0])


def called(cluster: int, name: str) -> str:
    """What a cluster is called on the map: its name or, without one, its number.

    >>> called(3, ""), called(3, "sand")
    ('cluster 3', 'sand')
    """
    return name or f"cluster {cluster}"


def _check_clusters(entries: Mapping[int, Entry], clusters: int) -> None:
    for k in entries:
        if not 0 <= k < clusters:
            raise NamingError(k, "", f"there is no cluster {k}; clusters go from 0 to {clusters - 1}, take it out")
    missing = next((k for k in range(clusters) if k not in entries), None)
    if missing is not None:
        raise NamingError(None, "", f"cluster {missing} is missing; `segpipe name` adds it again")


def _check_names(names: Mapping[int, str], entries: Mapping[int, Entry]) -> None:
    """Refuse names that were hardly meant as they are: equal but for case and spaces, or those of unnamed clusters."""
    seen: dict[str, tuple[int, str]] = {}
    unnamed = {called(k, ""): k for k, entry in entries.items() if not entry.name}
    for k, name in names.items():
        if name in unnamed:
            raise NamingError(
                k, "name", f"{quoted(name)} is what cluster {unnamed[name]} is called, which has no name yet"
            )
        first, same = seen.setdefault(fold(name), (k, name)) if name else (k, name)
        if same != name:
            raise NamingError(
                k,
                "name",
                f"{quoted(name)} and {quoted(same)} of cluster {first} differ in case or spaces alone; write them "
                "alike to make them one class, or make them differ",
            )


def fold(name: str) -> str:
    """A name without what the eye easily misses: case, spaces, ways to compose a letter.

    >>> fold("Soft  Coral") == fold("soft coral")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
