"""Drawings of docs/pictures that are made from declarations: the stages of a run, the floors of the package."""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from segpipe.stages import STAGES

ROOT = Path(__file__).parents[1]
_INK, _PAPER, _FILL, _EDGE = "#1d2b33", "#ffffff", "#e4f1f4", "#0b5c70"
_FONT = "font-family='system-ui, sans-serif'"


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    height: float
    title: str
    note: str = ""

    def svg(self) -> str:
        """A rounded rectangle with a title and a smaller line."""
        middle = self.x + self.width / 2
        lines = [
            f"<rect x='{self.x:g}' y='{self.y:g}' width='{self.width:g}' height='{self.height:g}' rx='6' "
            f"fill='{_FILL}' stroke='{_EDGE}'/>",
            _text(middle, self.y + (20 if self.note else self.height / 2 + 5), self.title, 14, bold=True),
        ]
        if self.note:
            lines.append(_text(middle, self.y + 37, self.note, 11))
        return "\n".join(lines)


def _text(x: float, y: float, text: str, size: int, *, bold: bool = False, anchor: str = "middle") -> str:
    style = f"font-size='{size}' text-anchor='{anchor}' fill='{_INK}'" + (" font-weight='600'" if bold else "")
    return f"<text x='{x:g}' y='{y:g}' {style}>{escape(text)}</text>"


def _page(width: float, height: float, parts: Sequence[str], title: str) -> str:
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' width='{width:g}' {_FONT}>"
    mark = (
        "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
        f"<path d='M0 0 L8 4 L0 8 z' fill='{_EDGE}'/></marker></defs>"
    )
    paper = f"<rect width='{width:g}' height='{height:g}' fill='{_PAPER}'/>"
    return "\n".join([head, f"<title>{escape(title)}</title>", mark, paper, *parts, "</svg>"]) + "\n"


def draw_stages() -> str:
    """The stages in their order, the directory each writes, and who reads it."""
    wide, high, gap, left = 92, 46, 26, 16
    places = {
        stage.NAME: _Box(left + at % 6 * (wide + gap), 60 + at // 6 * 150, wide, high, stage.NAME, f"{stage.ARTEFACT}/")
        for at, stage in enumerate(STAGES)
    }
    parts = [place.svg() for place in places.values()]
    first = [stage.NAME for stage in STAGES[:6]]
    for before, after in itertools.pairwise(first):
        start, end = places[before], places[after]
        parts.append(_arrow(start.x + wide, start.y + high / 2, end.x, end.y + high / 2))
    parts.append(_text(left, 32, "images", 13, bold=True, anchor="start"))
    parts.append(_arrow(left + wide / 2, 38, left + wide / 2, 60))
    refine = places["refine"]
    for stage in STAGES[6:]:
        end = places[stage.NAME]
        middle, x = refine.y + high + 50, refine.x + wide / 2
        parts.append(_path([(x, refine.y + high), (x, middle), (end.x + wide / 2, middle), (end.x + wide / 2, end.y)]))
    parts.append(_text(refine.x - 12, refine.y + high + 42, "masks, and what stands before them", 11, anchor="end"))
    evaluate = places["evaluate"]
    parts.append(_text(evaluate.x + wide / 2, evaluate.y + high + 34, "labels, if there are some", 11))
    for name in ("evaluate", "cover"):
        end = places[name]
        parts.append(_arrow(end.x + wide / 2, end.y + high + 22, end.x + wide / 2, end.y + high))
    return _page(left * 2 + 6 * wide + 5 * gap, 320, parts, "The stages of a run")


def _arrow(x0: float, y0: float, x1: float, y1: float) -> str:
    return _path([(x0, y0), (x1, y1)])


def _path(points: Sequence[tuple[float, float]]) -> str:
    joined = " L".join(f"{x:g} {y:g}" for x, y in points)
    return f"<path d='M{joined}' fill='none' stroke='{_EDGE}' marker-end='url(#tip)'/>"


def draw_floors() -> str:
    """The rooms of the package by floor, as the contract of `pyproject.toml` orders them, with what each is."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    floors = [
        [room.strip() for room in floor.split("|")]
        for contract in contracts
        if contract["type"] == "layers"
        for floor in contract["layers"]
        if floor != "__main__"
    ]
    width, high, gap = 760.0, 46.0, 10.0
    parts, y = [], gap
    for rooms in floors:
        wide = (width - gap) / len(rooms) - gap
        for at, room in enumerate(rooms):
            said = _what(room) if len(rooms) < 3 else ""
            parts.append(_Box(gap + at * (wide + gap), y, wide, high, room, said).svg())
        y += high + gap
    parts.append(_text(width / 2, y + 12, "imports only point down", 12))
    return _page(width, y + 24, parts, "Rooms of the package, by floor")


def _what(room: str) -> str:
    """The first sentence of a room's docstring, without its name."""
    package = ROOT / "segpipe" / room
    path = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
    text = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()[0]
    title, colon, rest = text.partition(": ")
    said = rest if colon and len(title.split()) < 4 else text
    return re.split(r"[.;] |\.$", said.replace("`", ""), maxsplit=1)[0]
