"""Options: what a field declares is what every face reads."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator

from segpipe.base.errors import UsageError
from segpipe.base.options import Options, argument, declared, make, option, without_none


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("give an even number")
    return value


class Small(Options):
    """Do something small."""

    ratio: float | None = option(None, "a ratio", limits={"gt": 0, "le": 1})
    count: Annotated[int, AfterValidator(_even)] = option(4, "a count", flags=("-c", "--count"), was=("number",))
    style: Literal["plain", "bold"] = option("plain", "a style")
    place: Path = argument("a place", metavar="PLACE")
    secret: bool = option(False, "for the terminal alone", faces=("terminal",))


def test_fields_are_read_arguments_first() -> None:
    found = {each.name: each for each in declared(Small)}
    assert list(found) == ["place", "ratio", "count", "style", "secret"]
    assert found["place"].required
    assert found["count"].flags == ("-c", "--count")
    assert found["secret"].flags == ("--secret",)
    assert (found["ratio"].kind, found["ratio"].limit("gt"), found["ratio"].limit("le")) == (float, 0, 1)
    assert found["count"].kind is int
    assert [each.name for each in declared(Small, "python")] == ["place", "ratio", "count", "style"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "place is missing; give it"),
        ({"place": "a", "ratio": 2}, "ratio=2: should be less than or equal to 1"),
        ({"place": ""}, "place=: is empty; give a value, or leave it out (was a variable of the shell not set?)"),
        ({"place": "a", "count": 3}, "count=3: give an even number"),
        ({"place": "a", "style": "bald"}, "style=bald: should be 'plain' or 'bold'"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        make(Small, values)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("given", "kind"),
    [(int | None, int), (Annotated[int | None, "x"], int), (Annotated[Path, "x"] | None, Path), (str, str)],
)
def test_types_without_none(given: object, kind: type) -> None:
    assert without_none(given) is kind
