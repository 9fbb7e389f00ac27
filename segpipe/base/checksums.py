"""Checksums of what a run holds: `SHA256SUMS` in the folder of each artefact, as `sha256sum --check` reads it.

The manifest holds the checksum of that list. Whoever opens an artefact compares both, and all files but pictures;
a picture is compared when it is read, because there may be a hundred thousand of them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from segpipe.base import files
from segpipe.base.errors import MachineError
from segpipe.base.known_sums import KnownSums
from segpipe.base.shortage import raise_shortage

NAME = "SHA256SUMS"
_CHANGED, _GONE = "its bytes changed on disk", "it is gone"
_PICTURES = (".png", ".tif")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_LETTERS = {escape: letter for letter, escape in _ESCAPES.items()}
_ESCAPE = re.compile(r"\\[\\nr]")


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not as it was made."""

    path: Path
    why: str


def write_sums(folder: Path, *, without: Sequence[str] = (), known: KnownSums | None = None) -> None:
    """Write the list of a folder.

    Args:
        folder: whose files are read, those of all folders below it too.
        without: patterns of paths, from the folder, of files that carry checksums of their own or that nobody reads.
        known: of files that are as they were when somebody read them; they are not read again.
    """
    with files.atomic(folder / NAME) as beside, beside.open("wb") as file:
        for name in _names(folder, without):
            sha256 = (known.find(name) if known is not None else "") or files.sha256(folder / name)
            file.write(_line(sha256, name).encode("utf-8", "surrogateescape"))


def checksum(folder: Path) -> str:
    """SHA-256 of the list itself, hexadecimal; empty where there is none."""
    return files.sha256(folder / NAME) if (folder / NAME).exists() else ""


def content(folder: Path, *, without: Sequence[str] = ()) -> str:
    """SHA-256 over names and bytes of what the list of a folder names; empty where that is nothing.

    Args:
        folder: with a list.
        without: patterns of paths, from the folder, that do not count.
    """
    whole, counted = hashlib.sha256(), 0
    for name, sha256 in _listed(folder):
        if not _fits(name, without):
            whole.update(f"{sha256} {name}\0".encode("utf-8", "surrogateescape"))
            counted += 1
    return whole.hexdigest() if counted else ""


def _listed(folder: Path) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of every line of a list, which is not held as a whole.

    Raises:
        MachineError: it is damaged.
    """
    path = folder / NAME
    try:
        with path.open("rb") as lines:
            for line in lines:
                yield _parse_line(line.decode("utf-8", "surrogateescape").removesuffix("\n"))
    except FileNotFoundError:
        return
    except ValueError as error:
        raise _error(Damage(path, _CHANGED), folder) from error


def read_sums(folder: Path) -> Mapping[str, str]:
    """The list of a folder, from path to SHA-256; empty where there is none.

    Raises:
        MachineError: it is damaged.
    """
    path = folder / NAME
    try:
        stat = path.stat()
    except OSError:
        return {}
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


def take_over_file(old: Path, new: Path, sha256: str) -> bool:
    """Give a file a second name, or copy it where the file system has no links, if it is as it was made.

    Args:
        old: the file.
        new: its second name; folders are made.
        sha256: of its bytes, as its list says.

    Returns:
        Whether it could be taken over: not where it is gone or its bytes changed.
    """
    new.parent.mkdir(parents=True, exist_ok=True)
    if old.is_symlink():  # to an image, whose bytes `index` knows
        new.symlink_to(old.readlink())
        return True
    if not old.is_file() or files.sha256(old) != sha256:
        return False
    try:
        new.hardlink_to(old)
    except OSError:  # a file system without them
        shutil.copyfile(old, new)
    return True


def check_opened(folder: Path, expected: str) -> None:
    """See that an artefact is as it was made: its list, and all files but pictures.

    Args:
        folder: of the artefact.
        expected: checksum of the list as the manifest says it; empty where the manifest says none.

    Raises:
        MachineError: it is not.
    """
    for damage in differences(folder, expected, pictures=False):
        raise _error(damage, folder)


def check_file(path: Path) -> None:
    """See that a file in a run is as it was made; one that no list names passes.

    Raises:
        MachineError: its bytes changed on disk.
    """
    folder = _artefact(path)
    if folder is None:
        return
    sha256 = read_sums(folder).get(path.relative_to(folder).as_posix())
    if sha256 is not None and path.exists() and files.sha256(path) != sha256:
        raise _error(Damage(path, _CHANGED), folder)


def differences(folder: Path, expected: str, *, pictures: bool = True) -> Iterator[Damage]:
    """What is not as it was made in the folder of an artefact; arguments as of `check_opened`."""
    if expected and checksum(folder) != expected:
        yield Damage(folder / NAME, _CHANGED if (folder / NAME).exists() else _GONE)
        return  # what it says of others is worth nothing
    for name, sha256 in read_sums(folder).items():
        if pictures or not name.endswith(_PICTURES):
            path = files.inside(folder, name)
            try:
                if files.sha256(path) != sha256:
                    yield Damage(path, _CHANGED)
            except FileNotFoundError:
                yield Damage(path, _GONE)
            except OSError as error:
                raise_shortage(path, error)
                yield Damage(path, f"it cannot be read ({error.strerror})")


def _error(damage: Damage, folder: Path) -> MachineError:
    return MachineError(f"{damage.path}: {damage.why}; `segpipe check {folder.parent}` says what to make again")


def _artefact(path: Path) -> Path | None:
    """The folder, of those that a path lies in, that is an artefact of a run."""
    return next((each for each in path.parents if (each.parent / files.OUTPUT_MARKER).exists()), None)


def _names(folder: Path, without: Sequence[str], below: str = "") -> Iterator[str]:
    """The files of a folder in the order of their paths, part by part; those of one folder are held at a time."""
    with os.scandir(folder / below) as scan:
        entries = sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_dir()) for entry in scan)
    for own, is_folder, leads_to_folder in entries:
        name = f"{below}{own}"
        if is_folder:
            yield from _names(folder, without, f"{name}/")
        elif not leads_to_folder and name != NAME and not files.is_beside(own) and not _fits(name, without):
            yield name


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _line(sha256: str, name: str) -> str:
    """A line as GNU coreutils write it: a backslash before the checksum says that the name holds escapes."""
    escaped = "".join(_ESCAPES.get(letter, letter) for letter in name)
    return f"{'' if escaped == name else chr(92)}{sha256}  {escaped}\n"


@lru_cache(maxsize=8)
def _parsed(path: Path, changed: int, size: int) -> Mapping[str, str]:
    """The list in a file that was changed then and has that size."""
    try:
        return _parse(files.read_text(path))
    except ValueError as error:
        raise _error(Damage(path, _CHANGED), path.parent) from error


def _parse(text: str) -> dict[str, str]:
    return dict(_parse_line(line) for line in text.split("\n")[:-1])


def _parse_line(line: str) -> tuple[str, str]:
    escaped, line = line.startswith("\\"), line.removeprefix("\\")
    sha256, separator, name = line[:64], line[64:66], line[66:]
    if separator != "  " or not name:
        raise ValueError(line)
    return _unescaped(name) if escaped else name, sha256


def _unescaped(name: str) -> str:
    return _ESCAPE.sub(lambda found: _LETTERS[found[0]], name)
