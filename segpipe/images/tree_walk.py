"""Search a folder and all below it for files whose names match a glob."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from segpipe.base.errors import UsageError
from segpipe.base.files import OUTPUT_MARKER
from segpipe.base.shortage import raise_shortage
from segpipe.records.corpus import Rejected

_OUTSIDE = "a link that leads outside the folder is not followed; name it in a list of paths (.txt) to use it"


def ends(name: str, endings: tuple[str, ...]) -> bool:
    """Whether a name has one of these endings, in small or capital letters."""
    return name.lower().endswith(endings)


def _unreadable(real: str, folder: str, error: OSError) -> Rejected:
    if not isinstance(error, PermissionError):  # a folder that is closed to us stays so
        raise_shortage(Path(real), error)
    return Rejected(folder or ".", f"the folder cannot be read ({error.strerror})")


def walk(
    root: Path, pattern: Sequence[str], skip: str | None, endings: tuple[str, ...]
) -> tuple[list[str], list[Rejected]]:
    """Search `root` for files whose relative path matches the parts of a glob.

    Real folders come first and links last, so that a file keeps its own name where a link leads to it too.

    Returns:
        Names relative to `root`, and the links and folders that could not be followed.
    """
    real_root = os.path.realpath(root)
    found: dict[str, str] = {}  # real path to name
    rejected: list[Rejected] = []
    visited: set[str] = set()
    folders = [("", real_root, _spread(pattern, {0}))]
    links: list[tuple[str, str, frozenset[int]]] = []
    while folders or links:
        if not folders:
            links.sort()
            name, real, states = links.pop(0)
            if not inside(real, real_root):
                rejected.append(Rejected(name, _OUTSIDE))
            elif os.path.isdir(real):  # noqa: PTH112
                folders.append((name, real, states))
            elif len(pattern) in states and not inside(real, skip):
                found.setdefault(real, name)
            continue
        folder, real, states = folders.pop()
        if real in visited or inside(real, skip):
            continue
        visited.add(real)
        try:
            with os.scandir(real) as scan:
                entries = [entry for entry in scan if not entry.name.startswith(".")]
        except OSError as error:
            rejected.append(_unreadable(real, folder, error))
            continue
        if folder and _is_ours(real, {entry.name for entry in entries}):
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            inner = _step(pattern, states, entry.name)
            if not inner:
                continue
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if os.path.isdir(target) or (ends(name, endings) and os.path.isfile(target)):  # noqa: PTH112, PTH113
                    links.append((name, target, inner))
                elif ends(name, endings):
                    rejected.append(Rejected(name, "a link that leads to no file"))
            elif entry.is_dir():
                folders.append((name, entry.path, inner))
            elif len(pattern) in inner and entry.is_file():
                found[entry.path] = name
            elif len(pattern) in inner and ends(name, endings):
                rejected.append(Rejected(name, "not a regular file"))
    return list(found.values()), rejected


def inside(real: str, folder: str | None) -> bool:
    """Whether a real path is a folder or lies in it."""
    return folder is not None and (real == folder or real.startswith(folder.rstrip("/") + "/"))


def refuse_ours(root: Path) -> None:
    """Refuse to take what segpipe made for a folder of photographs.

    Raises:
        UsageError: it is a run or another output.
    """
    try:
        names = {entry.name for entry in root.iterdir()}
    except OSError:  # the search puts it aside
        return
    if _is_ours(os.path.realpath(root), names):
        raise UsageError(
            f"{root} is a run or another output of segpipe, whose maps are no photographs; name the folder of your "
            "images as IMAGES and another one to write to"
        )


def _is_ours(real: str, names: set[str]) -> bool:
    """Whether a folder is a run or another output of segpipe, whose masks are no photographs."""
    if os.path.exists(f"{real}/{OUTPUT_MARKER}"):  # noqa: PTH110
        return True
    return {"config.yaml", "corpus"} <= names and os.path.exists(f"{real}/corpus/corpus.jsonl")  # noqa: PTH110


def match(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a path matches the parts of a glob.

    >>> match(["**", "*.jpg"], ["a", "b.jpg"]), match(["*.jpg"], ["a", "b.jpg"])
    (True, False)
    """
    states = _spread(pattern, {0})
    for part in parts:
        states = _step(pattern, states, part)
    return len(pattern) in states


def _step(pattern: Sequence[str], states: frozenset[int], name: str) -> frozenset[int]:
    """Which parts of a glob can come next after one more path component; `len(pattern)`: it is matched."""
    after = set()
    for state in states - {len(pattern)}:
        if pattern[state] == "**":
            after |= {state, state + 1} if state + 1 == len(pattern) else {state}
        elif fnmatchcase(name, pattern[state]):
            after.add(state + 1)
    return _spread(pattern, after)


def _spread(pattern: Sequence[str], states: set[int]) -> frozenset[int]:
    """`**` also stands for no folder at all: where it can come next, so can what follows it."""
    for state in range(len(pattern)):
        if state in states and pattern[state] == "**" and state + 1 < len(pattern):
            states.add(state + 1)
    return frozenset(states)
