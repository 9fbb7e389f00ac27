"""Values in the terminal: types of click from declared fields, and what completes."""

from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest
from pydantic import AfterValidator

from segpipe.base.config import Section, setting
from segpipe.base.options import Options, declared, option
from segpipe.cli.entry import run_cli
from segpipe.cli.values import SettingType, click_type


class Some(Options):
    """Some."""

    count: int = option(4, "a count", limits={"ge": 1})
    share: float = option(0.5, "a share", limits={"gt": 0, "le": 1})
    style: Literal["plain", "bold"] | None = option(None, "a style")
    pairs: tuple[tuple[str, str], ...] = option((), "pairs")
    place: Path | None = option(None, "a place")


class Part(Section):
    """Some settings."""

    k: int | Literal["auto"] = setting("auto", "a number")
    method: Literal["tree", "kmeans"] = setting("tree", "a method")
    crf: bool = setting(True, "a switch")
    text: str = setting("", "a text")
    weights: Annotated[Path, AfterValidator(lambda path: path)] | None = setting(None, "a file")
    bands: tuple[int, ...] = setting((), "numbers")


def test_types_of_options() -> None:
    kinds = {each.name: click_type(each) for each in declared(Some)}
    assert isinstance(kinds["count"], click.IntRange)
    assert (kinds["count"].min, kinds["count"].max) == (1, None)
    assert isinstance(kinds["share"], click.FloatRange)
    assert (kinds["share"].min, kinds["share"].min_open, kinds["share"].max) == (0, True, 1)
    assert list(kinds["style"].choices) == ["plain", "bold"]
    assert kinds["pairs"] is click.STRING
    assert isinstance(kinds["place"], click.Path)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("k", "12", 12),
        ("k", "auto", "auto"),
        ("crf", "false", False),
        ("bands", "[4, 3, 2]", [4, 3, 2]),
        ("bands", "4,3,2", "4,3,2"),
        ("text", "a: b", "a: b"),
        ("text", "12", "12"),
        ("weights", "a: b.pth", "a: b.pth"),
        ("weights", "null", None),
        ("k", "{", "{"),
    ],
)
def test_values_of_settings(name: str, text: str, value: Any) -> None:
    assert SettingType(Part.model_fields[name]).convert(text, None, None) == value


@pytest.mark.parametrize(
    ("name", "typed", "offered"),
    [("method", "", ["tree", "kmeans"]), ("method", "k", ["kmeans"]), ("crf", "", ["true", "false"]), ("text", "", [])],
)
def test_values_that_complete(name: str, typed: str, offered: list[str]) -> None:
    context, parameter = click.Context(click.Command("x")), click.Option(["--x"])
    found = SettingType(Part.model_fields[name]).shell_complete(context, parameter, typed)
    assert [each.value for each in found] == offered


def test_paths_complete_as_files() -> None:
    context, parameter = click.Context(click.Command("x")), click.Option(["--x"])
    (item,) = SettingType(Part.model_fields["weights"]).shell_complete(context, parameter, "we")
    assert (item.value, item.type) == ("we", "file")


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 3000, "&a [*a]", "2026-11-29"])
def test_values_that_no_setting_takes_are_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["run", "images", "run", "--cluster.k", text]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --cluster.k ")
    assert len(err) < 300
