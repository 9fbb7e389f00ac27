"""What must not be in what a command says and writes: looked at by parsers that the package does not use."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import yaml

TAG = re.compile(r"h\d{3}")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan)")
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_STRANGE = {"iframe", "base", "object", "embed", "frame", "applet"}
_YOLO = {"path", "train", "val", "test", "names", "nc"}

Fault = tuple[str, str]
"""An outcome that must not be, and where."""


def spoken(said: bytes) -> Iterator[Fault]:
    """Control characters that reach the terminal raw."""
    for line in said.decode("utf-8", "surrogateescape").split("\n"):
        if _RAW.search(line):
            yield "raw control byte", repr(line[-160:])


def written(folder: Path) -> Iterator[Fault]:
    """Formulas in tables, injected markup, files that their readers refuse, and names that lead out of archives."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # what was begun
        for name in names:
            path = Path(place, name)
            look = _LOOKS.get(path.suffix.lower())
            if look is not None and not name.startswith("."):
                yield from ((outcome, f"{path.name}: {where}") for outcome, where in look(path))


def _table(path: Path) -> Iterator[Fault]:
    for row in csv.reader(io.StringIO(path.read_bytes().decode("utf-8", "surrogateescape"), newline="")):
        for cell in row:
            if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
                yield "formula in CSV", repr(cell)


class _Page(HTMLParser):
    """Finds elements and attributes that no page of ours holds."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        if tag in _STRANGE:
            self.found.append(self.get_starttag_text() or tag)
        for name, value in attrs:
            said = "".join((value or "").split()).lower()
            leads = name in ("href", "src", "action", "data", "srcset") and said.startswith(
                ("javascript:", "http:", "https:", "//", "vbscript:")
            )
            if leads or (name.startswith("on") and "hostile" in said):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script" and data.lstrip().startswith("hostile"):
            self.found.append(f"<script>{data[:80]}")
        if self._inside == "style" and data.startswith("*{"):
            self.found.append(f"<style>{data[:80]}")


def _page(path: Path) -> Iterator[Fault]:
    text = path.read_text("utf-8")
    page = _Page()
    page.feed(text)
    page.close()
    yield from (("markup injected", each) for each in page.found)
    yield from (("raw control byte", repr(text[m.start() - 40 : m.end() + 40])) for m in _RAW.finditer(text))


def _xml(path: Path) -> Iterator[Fault]:
    try:
        found = [element.tag for element in ElementTree.parse(path).iter() if str(element.tag).endswith("script")]
    except ElementTree.ParseError as error:
        yield "broken output", str(error)
        return
    yield from (("markup injected", tag) for tag in found)


def _json(path: Path) -> Iterator[Fault]:
    raw = path.read_bytes()
    try:
        for line in raw.splitlines() if path.suffix == ".jsonl" else [raw]:
            json.loads(line.decode("utf-8", "surrogateescape"))
    except ValueError as error:
        yield "broken output", str(error)


def _yaml(path: Path) -> Iterator[Fault]:
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        yield "broken output", " ".join(str(error).split())
        return
    if path.name == "data.yaml" and not found.keys() <= _YOLO:
        yield "broken output", f"keys {sorted(found.keys() - _YOLO)}"


def _archive(path: Path) -> Iterator[Fault]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            parts = re.split(r"[/\\]", name)
            if ".." in parts or name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name):
                yield "escaped", repr(name)


_LOOKS = {
    ".csv": _table,
    ".html": _page,
    ".svg": _xml,
    ".qml": _xml,
    ".xml": _xml,
    ".json": _json,
    ".jsonl": _json,
    ".yaml": _yaml,
    ".zip": _archive,
    ".segpipe": _archive,
}


def listing(folder: Path, *but: Path) -> dict[str, tuple[int, int]]:
    """All files and folders below a folder with size and time, but for some; and what an escape would leave above."""
    found: dict[str, tuple[int, int]] = {}
    for above in (folder.parent, folder.parent.parent, Path("/tmp")):
        found |= {str(path): (0, 0) for path in above.iterdir() if "escaped" in path.name}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(place, name) not in but]
        for name in (*folders, *names):
            stat = os.lstat(os.path.join(place, name))  # noqa: PTH118
            found[os.path.join(place, name)] = (0, 0) if name in folders else (stat.st_size, stat.st_mtime_ns)  # noqa: PTH118
    return found


def changed(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> Iterator[Fault]:
    """What a command made, changed or removed outside of where it may write."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield "escaped", repr(name)
