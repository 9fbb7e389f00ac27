"""YAML comments of classes.yaml: found where they stand, so that they can be written again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Place = tuple[int | None, str]
"""A cluster and a field of it (empty: its own line), or None and a word at the top."""

TAIL: Place = (None, "end")
"""Below all clusters."""


def below(cluster: int) -> Place:
    """Below the last field of a cluster."""
    return cluster, "end"


@dataclass(frozen=True, slots=True)
class Comments:
    """Comments by their place, each with its #."""

    above: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)
    """On lines of their own above a place; those of `below(cluster)` and `TAIL` have no line under them."""
    beside: Mapping[Place, str] = field(default_factory=dict)
    """Behind what stands on a line."""

    def moved(self, origin: Mapping[int, int]) -> Comments:
        """The comments of entries that have other numbers now; those of entries that are gone are left out.

        Args:
            origin: number now to number before.
        """
        now = defaultdict[int, list[int]](list)
        for new, old in origin.items():
            now[old].append(new)

        def places(place: Place) -> list[Place]:
            return [place] if place[0] is None else [(k, place[1]) for k in now[place[0]][:1]]

        return Comments(
            {to: lines for place, lines in self.above.items() for to in places(place)},
            {to: line for place, line in self.beside.items() for to in places(place)},
        )


def find_comments(text: str, top: Any, lines: Mapping[Place, int], *, ours: Collection[str]) -> Comments:
    """The comments of a file.

    Args:
        text: the file's.
        top: its YAML node.
        lines: where places stand, from 1.
        ours: comments that are written anyway.
    """
    ends, inside, broken = dict[int, int](), set[int](), set[int]()
    for node in _scalars(top):
        first, last = node.start_mark, node.end_mark
        inside.update(range(first.line + 2, last.line + (2 if last.column else 1)))
        if first.line != last.line:
            broken.add(first.line + 1)
        else:
            ends[last.line + 1] = max(ends.get(last.line + 1, 0), last.column)
    at = {line: place for place, line in sorted(lines.items(), key=lambda item: (item[1], bool(item[0][1])))}
    above, beside = defaultdict[Place, list[str]](list), dict[Place, str]()
    waiting: list[tuple[int, str]] = []
    cluster: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if number in at:
            place = at[number]
            for column, comment in waiting:
                # what is indented like fields belongs to the cluster above it
                own = cluster is not None and place[0] != cluster and column >= 4
                above[below(cluster) if own and cluster is not None else place].append(comment)
            waiting, cluster = [], place[0]
            found = re.search(r"\s(#.*)", line[ends.get(number, len(line)) :])
            if found and number not in broken and not (place[0] is None and found[1].rstrip() in ours):
                beside[place] = found[1].rstrip()
        elif number not in inside and line.lstrip().startswith("#"):
            if number < min(at) and line.strip() in ours:
                continue
            waiting.append((len(line) - len(line.lstrip()), line.strip()))
    for column, comment in waiting:
        above[below(cluster) if cluster is not None and column >= 4 else TAIL].append(comment)
    return Comments({place: tuple(found) for place, found in above.items()}, beside)


def _scalars(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(key)
            yield from _scalars(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _scalars(value)
    elif node is not None:
        yield node
