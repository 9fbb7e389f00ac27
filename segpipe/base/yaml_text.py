"""YAML as people write settings: mappings, lists, text, numbers, true, false, null. Nothing that can grow or run.

YAML also knows aliases, by which 500 bytes mean a billion values ("billion laughs"), tags, by which a text makes Python
objects, dates, and numbers to base 60 (YAML 1.1: `1:30` is 90). Here aliases and tags are refused, dates and times are
text, and a key stands once.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from segpipe.base.errors import UsageError
from segpipe.base.shown import quoted, shorten

LARGEST_INT = 2**63
"""Integers lie below it, as those of numpy do."""
_DEEPEST = 20
_DIGITS = 70  # as many as 64 bits have, with a sign, 0b and some zeros
_INT = r"[-+]?(?:0|[1-9][0-9_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|0b_*[01][01_]*)"
_FLOAT = (
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN)"
)
"""Those of YAML 1.1, which the writer puts texts in quotes by, without octal numbers and without base 60."""


class _Refused(yaml.MarkedYAMLError):
    """What is YAML and is not read here."""


class _Loader(yaml.SafeLoader):
    """Composes nodes and refuses what may be larger than it looks."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refused(problem="anchors (&) and aliases (*) are not read: write the value out", problem_mark=mark)
        if getattr(event, "tag", None):
            raise _Refused(problem=f"the tag {quoted(event.tag, 40)} is not read: take it away", problem_mark=mark)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Refused(problem=f"nested more than {_DEEPEST} deep", problem_mark=mark)
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":", 1)[1] in ("null", "bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, _pattern, _first in (("int", _INT, "-+0123456789"), ("float", _FLOAT, "-+0123456789.")):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), list(_first))


def compose(text: str, place: object, *, way_out: str) -> Node | None:
    """The nodes of a YAML text, each with the place where it stands; None where it says nothing.

    Args:
        text: the YAML.
        place: of it, for messages: a file or an option.
        way_out: what a person may do where it is wrong.

    Raises:
        UsageError: it is no YAML, or holds what is not read here; one line with its line.
    """
    try:
        node: Node | None = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _fail(text, place, mark.line + 1 if mark else 1, str(error.problem or error.context), way_out)
    except yaml.YAMLError as error:  # of the reader: a character that YAML does not know
        line = text[: int(getattr(error, "position", 0) or 0)].count("\n") + 1
        _fail(text, place, line, str(getattr(error, "reason", "no YAML")), way_out)
    except (ValueError, OverflowError) as error:  # a directive or an escape with a number without sense
        _fail(text, place, 1, str(error), way_out)
    return node


def load(text: str, place: object, *, way_out: str) -> Any:
    """The value of a YAML text: dict with text as keys, list, str, int, float, bool or None; arguments as `compose`.

    Raises:
        UsageError: as `compose`; a key stands twice or is no text, or a number is beyond 64 bits.
    """
    node = compose(text, place, way_out=way_out)
    try:
        return None if node is None else _value(node)
    except _Refused as error:
        mark = error.problem_mark
        assert mark is not None
        _fail(text, place, mark.line + 1, str(error.problem), way_out)


def _value(node: Node) -> Any:
    if isinstance(node, SequenceNode):
        return [_value(each) for each in node.value]
    if not isinstance(node, MappingNode):
        return _scalar(node)
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise _Refused(problem="a key must be one word", problem_mark=key.start_mark)
        if key.value in found:
            twice = f"the key {quoted(key.value, 40)} stands twice: keep one of the two"
            raise _Refused(problem=twice, problem_mark=key.start_mark)
        found[key.value] = _value(value)
    return found


def _scalar(node: Node) -> Any:
    kind, text = node.tag.rsplit(":", 1)[1], node.value
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    plain = text.replace("_", "")
    if kind == "float":
        return float(plain.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if kind == "int":
        value = int(plain, 0) if len(plain) <= _DIGITS else LARGEST_INT
        if not -LARGEST_INT <= value < LARGEST_INT:
            raise _Refused(problem=f"{quoted(text, 40)} is beyond 64 bits", problem_mark=node.start_mark)
        return value
    return text


def _fail(text: str, place: object, line: int, problem: str, way_out: str) -> NoReturn:
    shown = next(iter(text.splitlines()[line - 1 : line]), "").strip()
    raise UsageError(f"{place}:{line}: not YAML at {quoted(shown, 40)} ({shorten(problem, 120)}); {way_out}") from None
