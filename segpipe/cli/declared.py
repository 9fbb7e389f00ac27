"""Click commands made from declared options: arguments, options, settings of stages, help, spelling of errors."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Set
from typing import Any

import click
from click.core import ParameterSource

from segpipe import pipeline
from segpipe.base.config import Layer, Section, read_sets, renamed
from segpipe.base.errors import SegpipeError, Speller, exit_code_rows, plainly, warn
from segpipe.base.options import Command, Declared, Face, declared, make, sections_of
from segpipe.cli import terminal
from segpipe.cli.values import SettingType, click_type

EXIT_CODES = "\b\nExit codes:\n" + "".join(f"  {codes}  {said}\n" for codes, said in exit_code_rows())
SETS = click.Option(["_sets", "--set", "-S"], multiple=True, metavar="KEY=VALUE", help="Change a setting; repeatable.")
"""Option of every command that takes settings."""
COMMON = [
    click.Option(["-q", "--quiet"], is_flag=True, help="Say nothing but warnings and errors."),
    click.Option(["-v", "--verbose"], is_flag=True, help="Say more."),
    click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
]
"""Options of every command."""


class DeclaredCommand(click.Command):
    """A command made of a declaration; its help lists the settings it takes, a paragraph for every stage."""

    def __init__(self, command: Command, sections: Mapping[str, type[Section]]) -> None:
        self.declaration = command
        self.known = {option.name: option for option in declared(command.options, "terminal")}
        types = {
            f"{name}.{key}": SettingType(field)
            for name, section in sections.items()
            for key, field in section.model_fields.items()
        }
        self.settings = [_setting(key, kind) for key, kind in types.items()]
        self.earlier = {_name(old): (old, new) for old, new in renamed(sections).items()}
        self.earlier_options = {f"was__{old}": name for name, o in self.known.items() for old in o.spelling.was}
        sets = [SETS] if sections else []
        hidden = [_hidden(old, types[new]) for old, new in self.earlier.values()]
        hidden += [_earlier(old, self.known[name]) for old, name in self.earlier_options.items()]
        own = [_parameter(option) for option in self.known.values()]
        super().__init__(
            command.name,
            callback=self.perform,
            params=[*own, *sets, *self.settings, *hidden, *COMMON],
            help=command.options.__doc__,
            epilog=_examples(command) + EXIT_CODES,
            short_help=command.summary.rstrip("."),
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the settings of every stage."""
        hidden = {id(each) for each in self.settings}
        rows = [
            (each.make_metavar(ctx), self.known[str(each.name)].description)
            if isinstance(each, click.Argument)
            else each.get_help_record(ctx)
            for each in self.get_params(ctx)
            if id(each) not in hidden
        ]
        with formatter.section("Options"):
            formatter.write_dl([row for row in rows if row is not None])
        groups: dict[str, list[tuple[str, str]]] = {}
        for each in self.settings:
            record = each.get_help_record(ctx)
            if record is not None:
                groups.setdefault(each.opts[0].removeprefix("--").split(".")[0], []).append(record)
        for name, records in groups.items():
            with formatter.section(f"Settings of {name} (also --set {name}.KEY=VALUE)"):
                formatter.write_dl(records, col_max=40)

    def perform(self, **values: Any) -> int:
        """Do the command by what was typed."""
        context = click.get_current_context()
        screen = terminal.console(quiet=values["quiet"], verbose=values["verbose"] or values["debug"])
        given = {name for name in values if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
        with terminal.warnings_shown():
            for old in given & self.earlier_options.keys():
                new = self.earlier_options[old]
                warn(f"{_flag(old.removeprefix('was__'))} is called {self.known[new].flags[0]} now")
                values[new] = values[old]
                given.add(new)
            own = {name: _split(values[name], option) for name, option in self.known.items() if name in given}
            layers, settings = self._layers(values, given)
            face = Face(terminal.tracker(screen, quiet=values["quiet"]), layers)
            try:
                options = make(self.declaration.options, own)
                result = self.declaration.work(options, face)
            except SegpipeError as error:
                error.args = (error.spelled(_speller(self.known, given, settings, bool(self.settings))),)
                raise
        return terminal.say(self.declaration.report(result, options), quiet=values["quiet"])

    def _layers(self, values: Mapping[str, Any], given: set[str]) -> tuple[tuple[Layer, ...], dict[str, Any]]:
        """The settings that were given, and those of them that were options of their own."""
        keys = {str(each.name): each.opts[0].removeprefix("--") for each in self.settings}
        settings = {keys[name]: values[name] for name in given if name in keys}
        old = {self.earlier[name][0]: values[name] for name in given if name in self.earlier}
        layers = Layer("", settings), read_sets(values.get("_sets", ())), Layer("command line", old)
        return tuple(layer for layer in layers if layer.values), settings


def _examples(command: Command) -> str:
    lines = "".join(f"  {line}\n" for line in command.examples.splitlines())
    return f"\b\nExamples:\n{lines}\n" if lines else ""


def _parameter(option: Declared) -> click.Parameter:
    """An option as click knows it."""
    kind, metavar = option.kind, option.spelling.metavar
    if option.spelling.argument:
        shown = metavar if option.required else f"[{metavar}]"
        return click.Argument([option.name], metavar=shown, required=option.required, type=click_type(option))
    names = [option.name, *option.flags]
    if kind is bool:
        return click.Option(names, is_flag=True, help=option.description)
    shape: dict[str, Any] = {}
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        repeats = len(inner) == 2 and inner[1] is Ellipsis
        pair = typing.get_args(inner[0]) if repeats and typing.get_origin(inner[0]) is tuple else ()
        shape = {"multiple": repeats, "nargs": len(pair) if pair else 1 if repeats else len(inner)}
    default = None if option.required or option.default in (None, ()) else option.default
    return click.Option(
        names, type=click_type(option), metavar=metavar, help=option.description, default=default,
        show_default=default is not None, required=option.required, **shape,
    )  # fmt: skip


def _setting(key: str, kind: SettingType) -> click.Option:
    default = kind.field.get_default()
    shown = "null" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
    return click.Option([_name(key), f"--{key}"], type=kind, help=f"{kind.field.description}  [{shown}]")


def _hidden(key: str, kind: SettingType) -> click.Option:
    """The earlier name of a setting."""
    return click.Option([_name(key), f"--{key}"], type=kind, hidden=True)


def _earlier(name: str, option: Declared) -> click.Option:
    """The earlier name of an option."""
    made = _parameter(option)
    made.name, made.opts, made.hidden = name, [_flag(name.removeprefix("was__"))], True  # type: ignore[attr-defined]
    made.default = None
    assert isinstance(made, click.Option)
    return made


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _name(key: str) -> str:
    return key.replace(".", "__")


def _split(value: Any, option: Declared) -> Any:
    """Values separated by commas, where the option takes them so."""
    if not option.spelling.commas or not isinstance(value, tuple):
        return value
    return tuple(name.strip() for text in value for name in text.split(",") if name.strip())


def _speller(
    known: Mapping[str, Declared], given: Set[str], settings: Mapping[str, Any], takes_settings: bool
) -> Speller:
    """How an error of this command writes options and settings: as they were typed, or as they could be."""
    flags = {name: "" if option.spelling.argument else option.flags[0] for name, option in known.items()}
    for name, option in known.items():
        for key in option.spelling.of.split():
            if name in given or not takes_settings:
                flags[key] = flags[name]
    flags |= {key: f"--{key}" for key in settings}

    def spell(name: str, value: str | None) -> str:
        flag = flags.get(name)
        if flag is None:
            return plainly(name, value)
        if not flag:
            metavar = known[name].spelling.metavar if name in known else None
            return value or metavar or name
        return flag if value in (None, "", "True") else f"{flag} {str(value).strip('[]')}"

    return spell


def click_command(command: Command) -> click.Command:
    """The command of a declaration."""
    return DeclaredCommand(command, sections_of(command, pipeline.SECTIONS))
