"""Python functions made from declared options: signature, docstring, checks, and earlier names of arguments."""

from __future__ import annotations

import inspect
import os
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segpipe.base.cache_folder import by_url
from segpipe.base.config import Layer
from segpipe.base.errors import SegpipeError, plainly, warn
from segpipe.base.options import Command, Declared, Face, declared, make

_KIND = inspect.Parameter


def signature_of(command: Command) -> inspect.Signature:
    """The signature of a command's function: what is given by its place first, all else by name."""
    parameters = [_parameter(each) for each in declared(command.options, "python")]
    if command.sections:
        parameters.append(_KIND("settings", _KIND.KEYWORD_ONLY, default=None, annotation="Mapping[str, Any] | None"))
    return inspect.Signature(parameters, return_annotation=command.returns)


def _parameter(option: Declared) -> inspect.Parameter:
    kind = _KIND.POSITIONAL_OR_KEYWORD if option.spelling.argument else _KIND.KEYWORD_ONLY
    default = _KIND.empty if option.required else option.default
    return _KIND(option.name, kind, default=default, annotation=option.info.annotation)


def docstring_of(command: Command) -> str:
    """The docstring of a command's function."""
    lines = [inspect.cleandoc(command.options.__doc__ or "").replace("\b\n", ""), "", "Args:"]
    lines += [_entry(each.name, each.description) for each in declared(command.options, "python")]
    if command.sections:
        lines.append(_entry("settings", 'settings of stages, dotted keys to values, such as `{"cluster.k": 8}`'))
    if command.returned:
        lines += ["", "Returns:", _entry("", command.returned)]
    return "\n".join([*lines, "", "Raises:", _entry("SegpipeError", "its text says what is wrong and the way out")])


def _entry(name: str, text: str) -> str:
    """An indented line of a docstring, wrapped."""
    whole = f"{name}: {text}" if name else text
    return textwrap.fill(
        whole + ".", 110, initial_indent="    ", subsequent_indent="        " if name else "    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def function_of(command: Command) -> Callable[..., Any]:
    """The Python function of a command."""
    signature = signature_of(command)
    earlier = {old: each.name for each in declared(command.options) for old in each.spelling.was}
    known = {key: each.name for each in declared(command.options) for key in each.spelling.of.split()}
    defaults = {each.name: each.default for each in declared(command.options, "python") if not each.required}

    def call(*args: Any, **kwargs: Any) -> Any:
        for old in earlier.keys() & kwargs.keys():
            warn(f"segpipe.{command.name}: {old}= is called {earlier[old]}= now")
            kwargs[earlier[old]] = kwargs.pop(old)
        given = dict(signature.bind(*args, **kwargs).arguments)
        settings = given.pop("settings", None) or {}
        values = {
            name: os.fspath(value) if isinstance(value, os.PathLike) else value
            for name, value in given.items()
            if value is not None or defaults.get(name) is None
        }
        face = Face(layers=(Layer("settings", settings),) if settings else ())
        try:
            options = make(command.options, {**_unasked(command), **values})
            return command.python(options, face) if command.python else command.value(command.work(options, face))
        except SegpipeError as error:
            error.args = (by_url(error.spelled(lambda name, value: _spell(known, name, value))),)
            raise

    call.__name__ = call.__qualname__ = command.name
    call.__module__ = __name__
    call.__doc__ = docstring_of(command)
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def _spell(known: Mapping[str, str], name: str, value: str | None) -> str:
    """An argument of the function where a setting is one, such as `block=12` for `extract.blocks=[12]`."""
    if name not in known:
        return plainly(name, value)
    return plainly(known[name], None if value is None else value.strip("[]"))


def _unasked(command: Command) -> dict[str, Any]:
    """Values of the paths that the terminal alone must be given."""
    return {
        each.name: Path() for each in declared(command.options) if each.required and "python" not in each.spelling.faces
    }
