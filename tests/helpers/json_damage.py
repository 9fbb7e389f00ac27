"""JSON documents that are JSON and are not ours: values of other types, sizes and depths, one at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

OTHERS: tuple[Any, ...] = (None, True, -1, 2**70, 1e300, "x", [], {}, [[1]], {"a": 1})


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*path, key))


def damaged(text: str) -> Iterator[str]:
    """The document with one value after the other replaced by each of `OTHERS`, taken out, or nested too deep."""
    whole = json.loads(text)
    for path in _places(whole):
        for other in OTHERS:
            tree = {"": copy.deepcopy(whole)}
            place: Any = tree
            for key in ("", *path)[:-1]:
                place = place[key]
            place[("", *path)[-1]] = other
            yield json.dumps(tree[""])
        if path and isinstance(path[-1], str):
            tree = {"": copy.deepcopy(whole)}
            place = tree
            for key in ("", *path)[:-1]:
                place = place[key]
            del place[path[-1]]
            yield json.dumps(tree[""])
    yield "[" * 100_000
    yield ""
