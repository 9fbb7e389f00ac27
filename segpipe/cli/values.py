"""Types of values in the terminal: from the fields of options and settings to click's types, with completion."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any, Literal

import click
from click.shell_completion import CompletionItem
from pydantic.fields import FieldInfo

from segpipe.base.config import metavar_of
from segpipe.base.errors import UsageError
from segpipe.base.options import Declared, without_none
from segpipe.base.yaml_text import load


class GivenPath(click.Path):
    """A path; an empty text stays one, which options refuse, and does not become the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        return super().convert(value, param, ctx) if value else value


def choices_of(kind: Any) -> tuple[str, ...]:
    """The values that a type admits, where they can be listed."""
    if kind is bool:
        return ("true", "false")
    return tuple(map(str, typing.get_args(kind))) if typing.get_origin(kind) is Literal else ()


def click_type(option: Declared) -> Any:
    """The click type of one value of an option."""
    kind = option.kind
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is Literal:
        return click.Choice(list(typing.get_args(kind)))
    low, high, below = option.limit("ge"), option.limit("le"), option.limit("gt")
    least = low if low is not None else below
    if kind is int:
        return click.INT if least is None and high is None else click.IntRange(least, high)
    if kind is float:
        if least is None and high is None:
            return click.FLOAT
        return click.FloatRange(least, high, min_open=below is not None)
    return GivenPath(path_type=Path) if kind is Path else click.STRING


class SettingType(click.ParamType[Any]):
    """A value of a setting, as `--set` reads it: YAML, but for texts and paths, which are taken as they are."""

    name = "value"

    def __init__(self, field: FieldInfo) -> None:
        self.field = field
        self.kind = without_none(field.annotation)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What a value looks like, in help."""
        own = metavar_of(self.field)
        choices = choices_of(self.kind)
        names = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}
        return own or ("|".join(choices) if choices else names.get(self.kind, "VALUE"))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value, still to be checked by its section."""
        if not isinstance(value, str):
            return value
        if self.kind in (str, Path):
            return None if value == "null" else value
        try:
            return load(value, "value", way_out="")
        except UsageError:
            return value  # which its section refuses, and says so

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The values that can be listed; files for paths."""
        if self.kind is Path:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(each) for each in choices_of(self.kind) if each.startswith(incomplete)]
