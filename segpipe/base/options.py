"""Options of commands, declared once: what the terminal, the Python function, completion and the reference are made of.

A command is a class of fields and a function that works by them. A field says its type, default, limits and meaning
in one sentence; every face derives its own form from that, and spells its errors its own way.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from segpipe.base.config import Layer, Section, by_field, fits, not_empty, reasons
from segpipe.base.errors import UsageError, named, plain
from segpipe.base.remote_path import is_url, place
from segpipe.base.runtime import Track, no_track

OptionsT = typing.TypeVar("OptionsT", bound="Options")


class Options(BaseModel):
    """Base of a command's options: frozen, no unknown names, a description on every field."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=False, allow_inf_nan=False, arbitrary_types_allowed=True
    )
    _fits = field_validator("*")(fits)
    _given = field_validator("*", mode="before")(not_empty)

    @field_validator("*", mode="before")
    @classmethod
    def _on_a_store(cls, value: Any, info: ValidationInfo) -> Any:
        """A path on an object store stays one: `Path` takes a slash of its two."""
        kind = without_none(cls.model_fields[str(info.field_name)].annotation)
        return place(value) if isinstance(value, str | Path) and kind is Path and is_url(str(value)) else value


@dataclass(frozen=True, slots=True)
class Spelling:
    """How the terminal writes an option, and what else it answers to."""

    flags: tuple[str, ...] = ()
    """`--name` where none is given; `-k` and further spellings may follow."""
    metavar: str | None = None
    argument: bool = False
    """Whether it is given by its place instead of by a flag."""
    commas: bool = False
    """Whether several values may be given in one, separated by commas."""
    of: str = ""
    """The setting of a stage that it stands for, such as `extract.backbone`."""
    was: tuple[str, ...] = ()
    """Earlier names, in Python and with dashes in the terminal; they work for one version, with a warning."""
    python: str = ""
    """Type in the Python function, where more is taken there than the field's own type."""
    faces: tuple[Literal["terminal", "python"], ...] = ("terminal", "python")


def option(default: Any, description: str, *, limits: Mapping[str, Any] | None = None, **spelling: Any) -> Any:
    """A field of `Options`.

    Args:
        default: `...` where it must be given.
        description: one sentence, for help, docstring and reference.
        limits: of pydantic's: ge, gt, le, lt.
        spelling: fields of `Spelling`.
    """
    extra: Any = {"spelling": Spelling(**spelling)}
    return Field(default, description=description, json_schema_extra=extra, **(limits or {}))


def argument(description: str, *, default: Any = ..., metavar: str | None = None, **spelling: Any) -> Any:
    """A field of `Options` that is given by its place."""
    return option(default, description, argument=True, metavar=metavar, **spelling)


def _ordered_frames(frames: tuple[int, int] | None) -> tuple[int, int] | None:
    if frames is not None and not 0 <= frames[0] < frames[1]:
        raise ValueError("give FROM < TO, counted from 0")
    return frames


FrameRange = Annotated[tuple[int, int] | None, AfterValidator(_ordered_frames)]
"""Frames FROM up to and without TO, counted from 0; None: all."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One option as the faces see it."""

    name: str
    info: FieldInfo
    spelling: Spelling

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.info.is_required()

    @property
    def default(self) -> Any:
        """What it is where it is not given."""
        return self.info.get_default(call_default_factory=True)

    @property
    def description(self) -> str:
        """One sentence."""
        return self.info.description or ""

    @property
    def flags(self) -> tuple[str, ...]:
        """Its spellings in the terminal."""
        return self.spelling.flags or (f"--{self.name.replace('_', '-')}",)

    @property
    def kind(self) -> Any:
        """Its type without None."""
        return without_none(self.info.annotation)

    def limit(self, name: str) -> Any:
        """A limit of pydantic's (ge, gt, le, lt), or None."""
        return next((getattr(each, name) for each in self.info.metadata if hasattr(each, name)), None)


def declared(options: type[BaseModel], face: Literal["terminal", "python"] | None = None) -> Iterator[Declared]:
    """The options of a command in their order, those given by their place first."""
    found = []
    for name, info in options.model_fields.items():
        extra = info.json_schema_extra
        spelling = extra.get("spelling", Spelling()) if isinstance(extra, dict) else Spelling()
        assert isinstance(spelling, Spelling)
        if face is None or face in spelling.faces:
            found.append(Declared(name, info, spelling))
    yield from sorted(found, key=lambda each: not each.spelling.argument)


def without_none(annotation: Any) -> Any:
    """A type without None and without what `Annotated` adds.

    >>> without_none(int | None)
    <class 'int'>
    """
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        return without_none(kinds[0]) if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007 - made at run time
    return annotation


def make(options: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """Check the values of a command's options.

    Raises:
        UsageError: one line per wrong value; names are marked, so that a face spells them its own way.
    """
    try:
        return options.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError("\n".join(_explain(problems, values) for problems in by_field(error))) from error


def _explain(problems: Sequence[Any], values: Mapping[str, Any]) -> str:
    problem, message = problems[0], reasons(problems)
    if not problem["loc"]:
        return str(message)
    name = str(problem["loc"][0])
    if problem["type"] == "missing":
        return f"{named(name)} is missing; give it"
    value = values.get(name, problem.get("input"))
    rest = message.removeprefix(plain(value))  # a validator may begin with the value
    return f"{named(name, value)}{rest if rest[:1] in (' ', ':') and rest != message else f': {message}'}"


@dataclass(frozen=True, slots=True)
class Face:
    """What a command is given besides its options by who calls it."""

    track: Track = no_track
    layers: tuple[Layer, ...] = ()
    """Settings of stages that were given one by one; later ones win."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the terminal says of a command that is done."""

    lines: Sequence[Any] = ()
    """Text or tables of rich."""
    details: Sequence[Any] = ()
    """The same, left out where the terminal is to be quiet."""
    skipped: Sequence[Any] = ()
    """`records.corpus.Rejected`: files that could not be used."""
    listed_in: Path | None = None
    """Where all of them are listed."""
    code: int | None = None
    """Exit code; None: whether files were skipped decides."""


def _nothing(result: Any, options: Any) -> Report:
    return Report()


def _itself(result: Any) -> Any:
    return result


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the options, the work, and what each face makes of its result."""

    name: str
    options: type[Options]
    """Its docstring is the command's help."""
    work: Callable[[Any, Face], Any]
    """From the options to a result."""
    report: Callable[[Any, Any], Report] = _nothing
    """From the result and the options to what the terminal says."""
    value: Callable[[Any], Any] = _itself
    """From the result to what the Python function returns."""
    python: Callable[[Any, Face], Any] | None = None
    """The work of the Python function where it differs."""
    returns: str = "None"
    """Type of that, as a type annotation, and what it is."""
    returned: str = ""
    sections: tuple[str, ...] = ()
    """Stages whose settings it takes."""
    examples: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """What it writes: patterns of paths, and what such a file holds; the first that fits counts."""
    faces: tuple[Literal["terminal", "python"], ...] = ("terminal", "python")

    @property
    def summary(self) -> str:
        """The first sentence of its help."""
        return (self.options.__doc__ or "").split("\n", 1)[0]


def sections_of(command: Command, known: Mapping[str, type[Section]]) -> dict[str, type[Section]]:
    """The sections of settings that a command takes."""
    return {name: known[name] for name in command.sections}
