"""Pages of docs/reference/ that are made from declarations: commands, settings, Python, files, formats, exit codes."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from segpipe import pipeline
from segpipe.base.errors import exit_code_rows
from segpipe.base.options import Command, Declared, declared
from segpipe.cli.app import cli
from segpipe.cli.declared import COMMON, SETS, DeclaredCommand
from segpipe.commands import COMMANDS
from segpipe.results import Run
from segpipe.stages.export.settings import GROUPS

_MADE = "Made by `python tools/generate.py`{}: change the declaration, not this page."

_SECTIONS = {"Args:": "Arguments", "Returns:": "Returns", "Yields:": "Yields", "Raises:": "Raises"}
_LABELS = {"pictures": "Pictures and tables", "maps": "Maps", "labels": "Labels for other programs"}


def make_commands() -> str:
    """The text of `docs/reference/commands.md`."""
    head = ["# Commands", "", _MADE.format(" from the options of the commands")]
    own = [each for each in cli.commands.values() if not isinstance(each, DeclaredCommand)]
    common = ["## Every command", "", *table(["terminal", "meaning"], _click_rows([*COMMON, SETS])), ""]
    texts = [f"## segpipe {each.name}\n\n{inspect.cleandoc(each.help or '')}\n" for each in own]
    return "\n".join([*head, "", *common, *(_command(each) for each in COMMANDS), *texts])


def _click_rows(options: Iterable[click.Option]) -> list[list[str]]:
    return [[", ".join(f"`{flag}`" for flag in each.opts), each.help or ""] for each in options]


def _command(command: Command) -> str:
    text = (command.options.__doc__ or "").replace("\b\n", "")
    lines = [f"## segpipe {command.name}", "", *_paragraphs(text), ""]
    rows = [_option(each) for each in declared(command.options)]
    if rows:
        lines += table(["terminal", "Python", "default", "meaning"], rows)
    if command.sections and len(command.sections) < len(pipeline.SECTIONS):
        names = ", ".join(f"[{name}](settings.md#{name})" for name in command.sections)
        lines += ["", f"Settings: {names}."]
    elif command.sections:
        lines += ["", "Settings: [those of every stage](settings.md)."]
    own = {path: said for path, said in command.files.items() if not path.startswith("RUN/")}
    if own:
        lines += ["", *table(["writes", "what it is"], _files(own))]
    elif command.files:
        lines += ["", f"Writes: [files of a run](run-directory.md#{command.name})."]
    if command.examples:
        lines += ["", "```console", *(f"$ {line}" for line in command.examples.strip().splitlines()), "```"]
    return "\n".join(lines).rstrip() + "\n"


def _paragraphs(text: str) -> list[str]:
    """A docstring as Markdown; the table of what a stage reads and writes keeps its columns."""
    made: list[str] = []
    for block in inspect.cleandoc(text).strip().split("\n\n"):
        kept = ["```text", *block.splitlines(), "```"] if block.startswith("Reads ") else block.splitlines()
        made += ["", *kept]
    return made[1:]


def _option(option: Declared) -> list[str]:
    spelled = option.spelling
    terminal = f"`{spelled.metavar}`" if spelled.argument else ", ".join(f"`{flag}`" for flag in option.flags)
    python = f"`{option.name}`" if "python" in spelled.faces else ""
    default = "" if option.required or option.default in (None, ()) else f"`{option.default}`"
    return [terminal if "terminal" in spelled.faces else "", python, default, option.description]


def make_settings() -> str:
    """The text of `docs/reference/settings.md`."""
    lines = [
        "# Settings",
        "",
        _MADE.format(" from the settings of the stages"),
        "",
        'In the terminal `--cluster.k 12` or `--set cluster.k=12`, in Python `settings={"cluster.k": 12}`, in a config '
        "file `cluster: {k: 12}`.",
    ]
    for name, section in pipeline.SECTIONS.items():
        if section.model_fields:
            rows = [
                [f"`{name}.{key}`", _default(field.get_default()), field.description or ""]
                for key, field in section.model_fields.items()
            ]
            lines += ["", f"## {name}", "", *table(["setting", "default", "meaning"], rows)]
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{shown}`" if shown else ""


def make_python(stub: str) -> str:
    """The text of `docs/reference/python.md`.

    Args:
        stub: the text of `segpipe/api.pyi`, whose signatures are shown.
    """
    lines = [
        "# Python",
        "",
        _MADE.format(" from the options of the commands and the docstrings of `segpipe.Run`"),
        "",
        "How it is used: [a run in Python](../howto/python.md). Options mean what they mean "
        "[in the terminal](commands.md); `settings` takes [settings](settings.md). A mistake raises "
        "`segpipe.base.errors.SegpipeError`, one line that says what is wrong and the way out.",
        "",
        "## Functions",
    ]
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef):
            lines += ["", f"### segpipe.{node.name}", "", *_function(node, stub)]
    lines += ["", "## Run", "", *_paragraphs(inspect.getdoc(Run) or "")]
    for name, member in _members(Run):
        lines += ["", f"### run.{name}", "", f"`run.{name}{_arguments(member)}`", ""]
        lines += _docstring(inspect.getdoc(member) or "")
    return "\n".join(lines) + "\n"


def _arguments(member: Any) -> str:
    """What a method takes, without its types: `(image, crop=0)`; nothing of a property."""
    if isinstance(member, property):
        return ""
    parameters = list(inspect.signature(member).parameters.values())[1:]
    return str(inspect.Signature([each.replace(annotation=each.empty) for each in parameters]))


def _function(node: ast.FunctionDef, stub: str) -> list[str]:
    whole = ast.get_source_segment(stub, node) or ""
    signature = whole.split('"""')[0].strip().removesuffix(":").removeprefix("def ")
    return ["```python", f"segpipe.{signature}", "```", "", *_docstring(ast.get_docstring(node) or "")]


def _members(kind: type) -> list[tuple[str, Any]]:
    return [
        (name, member)
        for name, member in vars(kind).items()
        if not name.startswith("_") and (isinstance(member, property) or inspect.isfunction(member))
    ]


def _docstring(text: str) -> list[str]:
    """A docstring in Google's form as Markdown: arguments and errors as lists."""
    made: list[str] = []
    for block in text.split("\n\n"):
        title, *rest = block.splitlines() or [""]
        if title in _SECTIONS:
            made += [
                "",
                f"**{_SECTIONS[title]}**",
                "",
                *map(_entry if title in ("Args:", "Raises:") else str.strip, rest),
            ]
        else:
            made += ["", *_paragraphs(block)]
    return made[1:]


def _entry(line: str) -> str:
    """A line of a list of arguments: `name: meaning`, or what goes on with it."""
    name, _, meaning = line.strip().partition(": ")
    return f"- `{name}`: {meaning}" if meaning and not line.startswith("     ") else f"  {line.strip()}"


def make_run_directory() -> str:
    """The text of `docs/reference/run-directory.md`."""
    lines = [
        "# Files of a run",
        "",
        _MADE.format(" from what stages and commands declare"),
        "",
        "`RUN` is the directory given to `segpipe run`. Each stage writes one directory, which appears whole when the "
        "stage is done; until then it is called `NAME.partial`. A stage runs again when its settings, its inputs or "
        "the files it reads have changed, and only then.",
        "",
        "Each directory holds a list of checksums, `SHA256SUMS`, which `sha256sum --check SHA256SUMS` reads too; the "
        "manifest holds the checksum of the list. They are looked at whenever a file is opened, and by "
        "[segpipe check](commands.md#segpipe-check), which reads everything and says what to make again.",
        "",
        "A mask has the size and orientation of the image as it is displayed (EXIF rotation applied). Its name is the "
        "image's path below the folder with `.png` for its ending.",
    ]
    for command in COMMANDS:
        own = {path: said for path, said in command.files.items() if path.startswith("RUN/")}
        if own:
            lines += ["", f"## {command.name}", "", *table(["file", "what it is"], _files(own))]
    return "\n".join(lines) + "\n"


def make_formats() -> str:
    """The text of `docs/reference/formats.md`."""
    lines = [
        "# Export formats",
        "",
        _MADE.format(" from the table of formats"),
        "",
        "Written below `RUN/export/`, or below `OUT/` by `segpipe apply`. How each program opens them: "
        "[export](../howto/export.md).",
    ]
    head = ["`--format`", "files", "what they hold", "what opens them"]
    for group, formats in GROUPS.items():
        rows = [[f"`{name}`", f"`{info.files}`", info.holds, info.opens] for name, info in formats.items()]
        lines += ["", f"## {_LABELS[group]}", "", *table(head, rows)]
    return "\n".join(lines) + "\n"


def make_exits() -> str:
    """The text of `docs/reference/exit-codes.md`."""
    head = ["# Exit codes", "", _MADE.format(" from the errors of the package"), ""]
    return "\n".join([*head, *table(["code", "meaning"], exit_code_rows())]) + "\n"


def _files(files: Mapping[str, str]) -> list[list[str]]:
    return [[f"`{path}`", said] for path, said in files.items()]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown.

    >>> table(["a", "b"], [["1", "2"]])
    ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [_row(head), "|" + "---|" * len(head), *map(_row, escaped)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
