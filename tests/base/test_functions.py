"""Python functions of declared commands: what they take, refuse, and still know by an earlier name."""

import inspect
from pathlib import Path

import pytest

from segpipe.base.errors import RenamedWarning, UsageError
from segpipe.base.functions import docstring_of, function_of, signature_of
from segpipe.base.options import Command, Face, Options, argument, option


class Echo(Options):
    """Give back what was given.

    With a second paragraph.
    """

    place: Path = argument("where", metavar="PLACE")
    out: Path = argument("where to", metavar="OUT", faces=("terminal",))
    count: int = option(4, "how many", limits={"ge": 1}, was=("number",))


def work(options: Echo, face: Face) -> tuple[Path, int, dict[str, object]]:
    return options.place, options.count, dict(face.layers[0].values) if face.layers else {}


ECHO = Command("echo", Echo, work, returns="tuple[Path, int]", returned="what was given", sections=("cluster",))
echo = function_of(ECHO)


def test_values_and_settings_arrive() -> None:
    assert echo("a") == (Path("a"), 4, {})
    assert echo(Path("a"), count=2, settings={"cluster.k": 3}) == (Path("a"), 2, {"cluster.k": 3})
    assert echo("a", count=None)[1] == 4


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UsageError, match=r"^count=0: should be greater than or equal to 1$"):
        echo("a", count=0)
    with pytest.raises(TypeError, match="cuont"):
        echo("a", cuont=2)
    with pytest.raises(TypeError, match="place"):
        echo()


def test_an_earlier_name_works_with_a_warning() -> None:
    with pytest.warns(RenamedWarning, match="segpipe.echo: number= is called count= now"):
        assert echo("a", number=3)[1] == 3


def test_signature_and_docstring() -> None:
    assert echo.__signature__ == signature_of(ECHO)  # type: ignore[attr-defined]
    assert list(inspect.signature(echo).parameters) == ["place", "count", "settings"]
    lines = docstring_of(ECHO).splitlines()
    assert lines[:3] == ["Give back what was given.", "", "With a second paragraph."]
    assert "    count: how many." in lines
    assert "    what was given." in lines
