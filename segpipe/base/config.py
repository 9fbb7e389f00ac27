"""Typed settings: one section per stage, every key known, every wrong one answered with the nearest right one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from segpipe.base.errors import UsageError


class Section(BaseModel):
    """Base of a stage's `Config`: frozen, no unknown keys, a description on every field."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=False)

    def identity(self) -> dict[str, Any]:
        """The settings that can change the stage's result, as JSON values; the stage's key is made from them."""
        kept = {name for name, field in type(self).model_fields.items() if _changes_result(field)}
        return self.model_dump(mode="json", include=kept)


def setting(default: Any, description: str, *, result: bool = True, **limits: Any) -> Any:
    """A field of a `Section`. `result=False`: the setting cannot change the artefact, only how it is made."""
    return Field(default, description=description, json_schema_extra={"result": result}, **limits)


def _changes_result(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return not (isinstance(extra, dict) and extra.get("result") is False)


AbsolutePath = Annotated[Path, AfterValidator(lambda path: Path(os.path.abspath(path.expanduser())))]  # noqa: PTH100
"""A path that keeps its meaning when the run is continued from another working directory (`..` resolved by name)."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one place: dotted keys (`mine.k`) to values, and the name of the place for messages."""

    origin: str
    values: Mapping[str, Any]


def read_yaml(path: Path) -> Layer:
    """Read a config file as a layer.

    Raises:
        UsageError: the file is missing, is not YAML, or is not made of sections.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot read this config file ({error.strerror})") from error
    try:
        tree = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise UsageError(f"{path}:{line} is not YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(tree, dict):
        raise UsageError(
            f"{path}: a config file is made of sections such as `mine:`, this one is a {type(tree).__name__}"
        )
    values: dict[str, Any] = {}
    for section, settings in tree.items():
        if not isinstance(settings, dict | None):
            raise UsageError(f"{path}: {section} must be a section of settings such as `{section}: {{key: value}}`")
        values.update({f"{section}.{key}": value for key, value in (settings or {}).items()} or {})
        if not settings:
            values[f"{section}"] = None
    return Layer(str(path), values)


def read_sets(pairs: Iterable[str]) -> Layer:
    """Read `--set key=value` arguments; values are YAML, so `[1, 2]`, `true` and `null` mean what they say.

    Raises:
        UsageError: an argument has no `=` or its value is not YAML.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: expected key=value, for example --set mine.k=7")
        try:
            values[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"--set {pair}: {text!r} is not a YAML value; put it in quotes") from error
    return Layer("--set", values)


def build(sections: Mapping[str, type[Section]], layers: Iterable[Layer]) -> dict[str, Section]:
    """Merge layers, later ones winning, and check every key and value.

    Returns:
        One validated section per name in `sections`.

    Raises:
        UsageError: one line per wrong key or value, each with its place and the way out.
    """
    known = [f"{name}.{field}" for name, section in sections.items() for field in section.model_fields]
    values: dict[str, tuple[Any, str]] = {}
    wrong: list[str] = []
    for layer in layers:
        for key, value in layer.values.items():
            if key in known:
                values[key] = (value, layer.origin)
            elif not (key in sections and value is None):  # an empty section says nothing
                wrong.append(f"{layer.origin}: {key} is not a setting; {_nearest(key, known, sections)}")
    built: dict[str, Section] = {}
    for name, section in sections.items():
        given = {key.split(".", 1)[1]: value for key, (value, _) in values.items() if key.startswith(f"{name}.")}
        try:
            built[name] = section.model_validate(given)
        except ValidationError as error:
            wrong += [_explain(name, problem, values) for problem in error.errors()]
    if wrong:
        raise UsageError("\n".join(dict.fromkeys(wrong)))
    return built


def _nearest(key: str, known: list[str], sections: Iterable[str]) -> str:
    if "." not in key:
        section = difflib.get_close_matches(key, list(sections), 1)
        options = [name for name in known if name.split(".", 1)[1] == key]
        if options:
            return f"did you mean {' or '.join(options)}?"
        if section:
            return (
                f"did you mean a setting of {section[0]}, such as {next(n for n in known if n.startswith(section[0]))}?"
            )
        return f"settings are written section.key, sections are {', '.join(sections)}"
    close = difflib.get_close_matches(key, known, 1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"sections are {', '.join(sections)}; `segpipe STAGE --help` lists their settings"


def _explain(section: str, problem: Any, values: Mapping[str, tuple[Any, str]]) -> str:
    where = [str(part) for part in problem["loc"]]
    key = f"{section}.{where[0]}" if where else section
    value, origin = values.get(key, (problem.get("input"), "default"))
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{origin}: {key}={value!r} {message}"


def to_yaml(sections: Mapping[str, Section]) -> str:
    """The resolved settings as YAML with each description as a comment; `read_yaml` reads it back."""
    lines: list[str] = []
    for name, section in sections.items():
        lines.append(f"{name}:")
        for key, value in section.model_dump(mode="json").items():
            lines.append(f"  # {type(section).model_fields[key].description}")
            text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
            lines.append(f"  {key}: {text.removesuffix(chr(10)).removesuffix('...').strip()}")
        if not type(section).model_fields:
            lines[-1] = f"{name}: {{}}"
        lines.append("")
    return "\n".join(lines)
