"""Writes what is made from declarations: types of the Python functions, pages of docs/reference/, drawings.

python tools/generate.py            write segpipe/api.pyi, docs/reference/ and two drawings
python tools/generate.py --check    say whether they are up to date
"""

from __future__ import annotations

import sys
import textwrap
import typing
from pathlib import Path
from typing import Any, Literal

import drawings
import reference
from segpipe.base.functions import docstring_of
from segpipe.base.options import Command, Declared, declared, without_none
from segpipe.commands import COMMANDS

ROOT = Path(__file__).parents[1]

_HEAD = '''"""Types of `api.py`. Made by `python tools/generate.py`: change the declared options instead."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from segpipe.records.backbone_health import BackboneHealth
from segpipe.records.fault import Fault
from segpipe.records.finding import Finding
from segpipe.results import Run
from segpipe.store.masks import Mask

AnyPath = str | os.PathLike[str]

def open(path: AnyPath) -> Run:
    """A run that was begun, to be looked at: images, features, masks, classes, cover and scores."""

def masks(run: AnyPath, *, classes: bool = True) -> Iterator[tuple[str, Mask]]:
    """The masks of a finished run, one after the other: id of the image and classes (H, W), or clusters."""
'''


def type_text(annotation: Any) -> str:
    """A type as it is written in the stub."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    kind, optional = without_none(annotation), type(None) in typing.get_args(annotation)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Path:
        text = "AnyPath"
    elif origin is Literal:
        text = f"Literal[{', '.join(repr(each) for each in inner)}]".replace("'", '"')
    elif origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        text = f"Sequence[{type_text(inner[0])}]"
    elif origin is tuple:
        text = f"tuple[{', '.join(map(type_text, inner))}]"
    else:
        text = kind.__name__
    return f"{text} | None" if optional else text


def option_type(option: Declared) -> str:
    """The type of an option of a Python function."""
    if option.spelling.python:
        return option.spelling.python
    if option.spelling.argument and option.kind is str:
        return "AnyPath"
    text = type_text(option.info.annotation)
    return f"{text} | None" if option.name == "workers" and "None" not in text else text


def stub(command: Command) -> str:
    """The typed signature of a command's function."""
    options = list(declared(command.options, "python"))
    placed = [each for each in options if each.spelling.argument]
    named = [each for each in options if not each.spelling.argument]
    lines = [_line(each) for each in placed]
    if named or command.sections:
        lines += ["    *,", *(_line(each) for each in named)]
    if command.sections:
        lines.append("    settings: Mapping[str, Any] | None = None,")
    text = textwrap.indent(docstring_of(command), "    ").strip().replace("\\", "\\\\")
    head = "\n".join([f"def {command.name}(", *lines, f") -> {command.returns}:"])
    return f'{head}\n    """{text}\n    """\n'


def _line(option: Declared) -> str:
    default = "" if option.required else f" = {option.default!r}".replace("'", '"')
    return f"    {option.name}: {option_type(option)}{default},"


def make_stub() -> str:
    """The text of `segpipe/api.pyi`."""
    return _HEAD + "".join(f"\n{stub(each)}" for each in COMMANDS if "python" in each.faces)


FILES = {
    "segpipe/api.pyi": make_stub,
    "docs/reference/commands.md": reference.make_commands,
    "docs/reference/settings.md": reference.make_settings,
    "docs/reference/python.md": lambda: reference.make_python(make_stub()),
    "docs/reference/run-directory.md": reference.make_run_directory,
    "docs/reference/formats.md": reference.make_formats,
    "docs/reference/exit-codes.md": reference.make_exits,
    "docs/pictures/stages.svg": drawings.draw_stages,
    "docs/pictures/floors.svg": drawings.draw_floors,
}


def main() -> None:
    """Write the files, or say which are not up to date."""
    stale = [name for name, make in FILES.items() if _read(ROOT / name) != make()]
    if "--check" in sys.argv:
        sys.exit(f"not up to date: {', '.join(stale)}; run python tools/generate.py" if stale else 0)
    for name in stale:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(FILES[name](), "utf-8")
        print(f"wrote {name}")


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


if __name__ == "__main__":
    main()
