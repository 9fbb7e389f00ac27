"""Typed settings: one section per stage, every key known, every wrong one answered with the nearest right one."""

from __future__ import annotations

import difflib
import os
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from segpipe.base.errors import UsageError, named, plain, warn
from segpipe.base.outside import read_outside
from segpipe.base.shown import quoted, shorten
from segpipe.base.yaml_text import LARGEST_INT, load

_LARGEST = 1 << 20  # bytes of a config file; the settings of all stages with their comments have 20 thousand
_MOST_LINES = 10  # of one message
_BEGIN = "# The settings of this run. Edit them here, or give others to any command as --section.key or --set."
_END = "# End of the settings. Where this line is missing, the file counts as cut short."


def fits(value: Any) -> Any:
    """Pass a value on; of integers those that numpy and torch can hold.

    Raises:
        ValueError: it is one beyond 64 bits.
    """
    if isinstance(value, int) and not -LARGEST_INT <= value < LARGEST_INT:
        raise ValueError("is beyond 64 bits")
    return value


class Section(BaseModel):
    """Base of a stage's `Config`: frozen, no unknown keys, a description on every field."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=False
    )
    _fits = field_validator("*")(fits)

    @field_validator("*", mode="before")
    @classmethod
    def _several(cls, value: Any, info: ValidationInfo) -> Any:
        """A setting that takes several values takes them as `pca,stego`, and one alone, as well as a list."""
        if typing.get_origin(cls.model_fields[str(info.field_name)].annotation) is not tuple:
            return value
        if isinstance(value, str):
            return [part.strip() for part in value.split(",")] if value else []
        return [value] if isinstance(value, int) else value

    def identity(self) -> dict[str, Any]:
        """The settings that can change the stage's result, as JSON values; the stage's key is made from them.

        A renamed setting keeps its first name here, so that a run made before the renaming is still up to date.
        """
        fields = type(self).model_fields
        kept = {name for name, field in fields.items() if _extra(field, "result", True)}
        values = self.model_dump(mode="json", include=kept)
        return {first_name(name, fields[name]): value for name, value in values.items()}


def setting(
    default: Any,
    description: str,
    *,
    result: bool = True,
    flags: tuple[str, ...] = (),
    metavar: str | None = None,
    was: tuple[str, ...] = (),
    before: Any = None,
    **limits: Any,
) -> Any:
    """A field of a `Section`.

    Args:
        default: its value where nothing is said.
        description: one sentence, for help, config.yaml and reference.
        result: False: the setting cannot change the artefact, only how it is made.
        flags: short spellings in the terminal besides `--section.name`.
        metavar: what a value looks like, in help.
        was: earlier names, the first one first; they work for one version, with a warning.
        before: what its absence means in the settings of a run: what versions did that did not have it.
        limits: of pydantic's: ge, gt, le, lt.
    """
    extra: Any = {"result": result, "flags": flags, "metavar": metavar, "was": was, "before": before}
    return Field(default, description=description, json_schema_extra=extra, **limits)


def _extra(field: FieldInfo, name: str, default: Any) -> Any:
    extra = field.json_schema_extra
    return extra.get(name, default) if isinstance(extra, dict) else default


def first_name(name: str, field: FieldInfo) -> str:
    """The name under which a setting was first written into runs."""
    return str(next(iter(_extra(field, "was", ())), name))


def today(section: type[Section], name: str) -> str:
    """The name now of a setting that a run knows by its first name."""
    return next((new for new, field in section.model_fields.items() if first_name(new, field) == name), name)


def short_flags(field: FieldInfo) -> tuple[str, ...]:
    """The short spellings of a setting in the terminal."""
    return tuple(_extra(field, "flags", ()))


def metavar_of(field: FieldInfo) -> str | None:
    """What a value of a setting looks like, in help."""
    found: str | None = _extra(field, "metavar", None)
    return found


def renamed(sections: Mapping[str, type[Section]]) -> dict[str, str]:
    """Earlier dotted keys of settings to those of today."""
    return {
        f"{name}.{old}": f"{name}.{new}"
        for name, section in sections.items()
        for new, field in section.model_fields.items()
        for old in _extra(field, "was", ())
    }


def before(sections: Mapping[str, type[Section]]) -> Layer:
    """What settings mean that are missing in those of a run, because an earlier version wrote them."""
    return Layer(
        "",
        {
            f"{name}.{key}": value
            for name, section in sections.items()
            for key, field in section.model_fields.items()
            if (value := _extra(field, "before", None)) is not None
        },
    )


def not_empty(value: Any) -> Any:
    """Pass a value on, but no empty text: as a path it would mean the folder that one happens to be in.

    Raises:
        ValueError: it is one.
    """
    if value == "":
        raise ValueError("is empty; give a value, or leave it out (was a variable of the shell not set?)")
    return value


AbsolutePath = Annotated[
    Path,
    BeforeValidator(not_empty),
    AfterValidator(lambda path: Path(os.path.abspath(path.expanduser()))),  # noqa: PTH100
]
"""A path that keeps its meaning when the run is continued from another working directory (`..` resolved by name)."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one place: dotted keys (`mine.k`) to values, and the name of the place for messages."""

    origin: str
    """Empty: each key is spelled by the face, see `named`."""
    values: Mapping[str, Any]
    own: bool = False
    """Written by segpipe itself: earlier names of settings are taken without a warning."""


def read_yaml(path: Path, *, own: bool = False) -> Layer:
    """Read a config file as a layer.

    Args:
        path: the file.
        own: it is that of a run, written by segpipe, so it is never empty.

    Raises:
        UsageError: the file is missing, is cut short, is not YAML, or is not made of sections.
    """
    way_out = "correct it, or give --config another file"
    text = read_outside(path, most=_LARGEST, what="config file", way_out=way_out)
    _check_whole(text, path, own=own)
    tree = load(text, path, way_out=way_out)
    if not isinstance(tree, dict | None):
        raise UsageError(
            f"{path}: a config file is made of sections such as `mine:`, this one is a {type(tree).__name__}; {way_out}"
        )
    values: dict[str, Any] = {}
    for section, settings in (tree or {}).items():
        if not isinstance(settings, dict | None):
            name = shorten(section, 40)
            raise UsageError(f"{path}: {name} must be a section of settings such as `{name}: {{key: value}}`")
        values |= {f"{section}.{key}": value for key, value in (settings or {}).items()}
        if not settings:
            values[section] = None
    return Layer(str(path), values, own)


def _check_whole(text: str, path: Path, *, own: bool) -> None:
    """See that a file which `to_yaml` wrote has its end: settings that are missing would come back as defaults.

    Files of earlier versions and those that a person wrote have neither first nor last line. Where a person adds
    sections does not matter, nor which are taken away.
    """
    lines = text.rstrip().splitlines()
    first = lines[0] if lines else ""
    begun = _BEGIN.startswith(first) if own and len(lines) <= 1 else first == _BEGIN
    if begun and _END not in lines:
        raise UsageError(
            f"{path}:{max(1, len(lines))}: is cut short, so settings are missing; put back a copy or, if nothing is "
            f"missing, write its last line again: {_END}"
        )


def read_sets(pairs: Iterable[str]) -> Layer:
    """Read `--set key=value` arguments; values are YAML, so `[1, 2]`, `true` and `null` mean what they say.

    Raises:
        UsageError: an argument has no `=` or its value is not YAML.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {shorten(pair)}: expected key=value, for example --set mine.k=7")
        place = f"--set {shorten(key.strip(), 60)}"
        values[key.strip()] = load(text, place, way_out="put it in quotes if it is a text")
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
    unknown: dict[tuple[str, str], None] = {}
    earlier = renamed(sections)
    for layer in layers:
        for written, value in layer.values.items():
            key = earlier.get(written, written)
            if key != written and not layer.own:
                warn(f"{layer.origin or 'settings'}: {written} is called {key} now")
            if key in known:
                values[key] = (value, layer.origin)
            elif not (key in sections and value is None):  # an empty section says nothing
                unknown[layer.origin, shorten(key)] = None
    wrong = [
        f"{origin}: {key} is not a setting; {_nearest(key, known, sections)}"
        for origin, key in list(unknown)[: _MOST_LINES + 1]  # the nearest of a hundred thousand would take minutes
    ]
    built: dict[str, Section] = {}
    for name, section in sections.items():
        given = {key.split(".", 1)[1]: value for key, (value, _) in values.items() if key.startswith(f"{name}.")}
        try:
            built[name] = section.model_validate(given)
        except ValidationError as error:
            wrong += [_explain(name, problems, values) for problems in by_field(error)]
    if wrong:
        lines = list(dict.fromkeys(wrong))
        more = ["and more of the kind"] if len(lines) > _MOST_LINES else []
        raise UsageError("\n".join(lines[:_MOST_LINES] + more))
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


def by_field(error: ValidationError) -> list[list[Any]]:
    """What is wrong, field by field: a value that may be of several types is refused once for each."""
    found: dict[str, list[Any]] = {}
    for problem in error.errors():
        found.setdefault(str(problem["loc"][0]) if problem["loc"] else "", []).append(problem)
    return list(found.values())


def reasons(problems: Sequence[Any]) -> str:
    """Why a value is wrong, in a line."""
    values = [problem for problem in problems if problem["type"] != "too_short"] or problems
    texts = [
        "should be one or several values, such as a,b"
        if problem["type"] == "tuple_type"
        else problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        for problem in values
    ]
    kinds = list(dict.fromkeys([texts[0], *(text.removeprefix("should be ") for text in texts[1:])]))
    return " or ".join(shorten(text, 160) for text in kinds[:3])  # a list has a problem for each of its values


def _explain(section: str, problems: Sequence[Any], values: Mapping[str, tuple[Any, str]]) -> str:
    where = [str(part) for part in problems[0]["loc"]]
    key = f"{section}.{where[0]}" if where else section
    value, origin = values.get(key, (problems[0].get("input"), "default"))
    message = reasons(problems)
    if origin:
        return f"{origin}: {key}={quoted(value)} {message}"
    return f"{named(key, shorten(plain(value)))}: {message}"


def to_yaml(sections: Mapping[str, Section]) -> str:
    """The resolved settings as YAML with each description as a comment; `read_yaml` reads it back."""
    lines = [_BEGIN, ""]
    for name, section in sections.items():
        lines.append(f"{name}:")
        for key, value in section.model_dump(mode="json").items():
            lines.append(f"  # {type(section).model_fields[key].description}")
            text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
            lines.append(f"  {key}: {text.removesuffix(chr(10)).removesuffix('...').strip()}")
        if not type(section).model_fields:
            lines[-1] = f"{name}: {{}}"
        lines.append("")
    return "\n".join([*lines, _END, ""])
