"""Every command is declared once: the terminal, the Python function, its types and the reference say the same."""

import ast
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

import segpipe
from segpipe import api, pipeline
from segpipe.base.config import Layer
from segpipe.base.errors import RenamedWarning, UsageError, named
from segpipe.base.functions import docstring_of, signature_of
from segpipe.base.options import Command, Face, Options, Report, argument, declared
from segpipe.base.options import option as declare
from segpipe.cli.app import cli
from segpipe.cli.declared import click_command
from segpipe.cli.entry import run_cli
from segpipe.commands import COMMANDS
from tests.helpers.places import ROOT
from tools import generate

TYPES = ast.parse((ROOT / "segpipe/api.pyi").read_text("utf-8"))
STUB = {node.name: node for node in TYPES.body if isinstance(node, ast.FunctionDef)}
IN_PYTHON = [command for command in COMMANDS if "python" in command.faces]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_terminal_takes_what_is_declared(command: Command) -> None:
    made = cli.commands[command.name]
    options = {option.name: option for option in declared(command.options, "terminal")}
    own = {str(each.name): each for each in made.params if str(each.name) in options}
    assert set(own) == set(options)
    for name, option in options.items():
        parameter = own[name]
        assert isinstance(parameter, click.Argument) == option.spelling.argument
        if isinstance(parameter, click.Option):
            assert (*parameter.opts, *parameter.secondary_opts) == option.flags
            assert parameter.help == option.description
        assert parameter.required == option.required
    flags = {each.opts[0] for each in made.params if isinstance(each, click.Option) and not each.hidden}
    settings = {flag.removeprefix("--") for flag in flags if "." in flag}
    expected = {f"{name}.{key}" for name in command.sections for key in pipeline.SECTIONS[name].model_fields}
    assert settings == expected
    record = made.get_help(click.Context(made, info_name=command.name))
    assert all(option.flags[0] in record for option in options.values() if not option.spelling.argument)
    assert all(f"--{key}" in record for key in expected)


@pytest.mark.parametrize("command", IN_PYTHON, ids=lambda command: command.name)
def test_the_function_takes_what_is_declared(command: Command) -> None:
    function = getattr(segpipe, command.name)
    signature = inspect.signature(function)
    options = {option.name: option for option in declared(command.options, "python")}
    assert list(signature.parameters) == [*options, *(["settings"] if command.sections else [])]
    for name, option in options.items():
        parameter = signature.parameters[name]
        assert (parameter.default is inspect.Parameter.empty) == option.required
        assert (parameter.kind is inspect.Parameter.KEYWORD_ONLY) == (not option.spelling.argument)
        assert option.required or parameter.default == option.default
    assert function.__doc__ == docstring_of(command)
    assert all(f"    {name}: " in docstring_of(command) for name in options)


@pytest.mark.parametrize("command", IN_PYTHON, ids=lambda command: command.name)
def test_the_types_are_those_of_the_function(command: Command) -> None:
    node, signature = STUB[command.name], signature_of(command)
    placed, named = [each.arg for each in node.args.args], [each.arg for each in node.args.kwonlyargs]
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    assert placed == [name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert named == [name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY]
    assert ast.unparse(node.returns or ast.Constant(None)) == command.returns


@pytest.mark.parametrize("name", generate.FILES)
def test_what_is_generated_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == generate.FILES[name](), "run `python tools/generate.py`"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_reference_lists_what_is_declared(command: Command) -> None:
    text = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    section = text.split(f"## segpipe {command.name}\n", 1)[1].split("\n## ", 1)[0]
    for option in declared(command.options):
        python = f"| `{option.name}` |" if "python" in option.spelling.faces else "|  |"
        row = next(line for line in section.splitlines() if python in line and option.description[:30] in line)
        assert option.description.replace("|", "\\|") in row


def test_every_function_is_offered() -> None:
    assert {*api.FUNCTIONS, "open", "masks"} == {*segpipe.__all__} - {"__version__", "Run"} == {*STUB}


def test_the_same_thing_has_the_same_option_everywhere() -> None:
    flags: dict[str, set[str]] = {}
    for command in COMMANDS:
        for option in declared(command.options):
            for key in option.spelling.of.split():
                flags.setdefault(key, set()).add(option.flags[0] if not option.spelling.argument else "")
    for key in ("extract.backbone", "extract.weights", "runtime.device", "runtime.workers", "train.seed"):
        assert flags[key] == {f"--{key.split('.')[1]}"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "IMAGES", "RUN", "--cluster.k", "0"], "error: --cluster.k 0: should be"),
        (["run", "IMAGES", "RUN", "--set", "cluster.k=0"], "error: --set: cluster.k=0 should be"),
        (["run", "IMAGES", "RUN", "--refine.crf", "maybe"], "error: --refine.crf maybe: should be a valid boolean"),
        (["attend", "IMAGES", "OUT", "--crop", "4", "2", "0", "9"], "error: --crop 4 2 0 9: give rows Y0 < Y1"),
        (["attend", "IMAGES", "OUT", "--map", "meen"], "error: --map meen: "),
        (["name", "RUN", "--classes", "a.txt"], "error: --classes a.txt names labels; give them with --points CSV"),
    ],
)
def test_a_wrong_value_is_said_as_it_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run_cli([str(tmp_path / word) if word.isupper() else word for word in arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(said)


@pytest.mark.parametrize(
    ("name", "arguments", "options", "said"),
    [
        ("run", ("IMAGES", "RUN"), {"settings": {"cluster.k": 0}}, "settings: cluster.k=0 should be"),
        ("attend", ("IMAGES", "OUT"), {"threshold": 2}, "threshold=2: should be less than or equal to 1"),
        ("attend", ("IMAGES", "OUT"), {"crop": (4, 2, 0, 9)}, "crop=4 2 0 9: give rows"),
        ("name", ("RUN",), {"classes": "a.txt"}, "classes=a.txt names labels; give them with points=CSV"),
    ],
)
def test_python_says_it_as_python(
    tmp_path: Path, name: str, arguments: tuple[str, ...], options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        getattr(segpipe, name)(*(tmp_path / word for word in arguments), **options)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_settings_complete_in_the_shell(tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = subprocess.run(
        [sys.executable, "-m", "segpipe", "completion", shell], capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "segpipe").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m segpipe "$@"\n')
    (tmp_path / "segpipe").chmod(0o755)
    path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    if shell == "bash":
        words = "COMP_WORDS=(segpipe run a b --cluster.)\nCOMP_CWORD=4\n_segpipe_completion segpipe\n"
        command = ["bash", "--norc", "-c", f"{script}\n{words}printf '%s\\n' \"${{COMPREPLY[@]}}\""]
    else:
        shown = "_describe() { print -l -- ${completions_with_descriptions} }; compadd() { print -l -- $completions }"
        words = "words=(segpipe run a b --cluster.); CURRENT=5"
        command = ["zsh", "-f", "-c", f"compdef() {{ : }}; {shown}\n{words}\n{script}\n_segpipe_completion"]
    said = subprocess.run(command, capture_output=True, text=True, env=path, check=False).stdout
    found = {line.split(":")[0].strip() for line in said.splitlines()}
    assert {f"--cluster.{key}" for key in pipeline.SECTIONS["cluster"].model_fields} <= found


def test_values_complete_too() -> None:
    made = cli.commands["run"]
    context = click.Context(made, info_name="run")
    option = next(each for each in made.params if each.opts == ["--cluster.method"])
    names = [item.value for item in option.type.shell_complete(context, option, "")]
    assert names == ["auto", "tree", "kmeans"]


class Echo(Options):
    """Say what was given."""

    place: Path = argument("a place", metavar="PLACE")
    count: int = declare(4, "a count", limits={"ge": 1}, was=("number_of",))
    names: tuple[str, ...] = declare((), "names", flags=("--name", "-n"), commas=True)


def typed(*words: str) -> tuple[Echo, tuple[Layer, ...], int]:
    """What a command's work is given for what was typed, and the exit code."""
    given: list[tuple[Echo, Face]] = []

    def work(options: Echo, face: Face) -> None:
        given.append((options, face))
        if options.count == 99:
            raise UsageError(f"{named('count', 99)} is too many for {named('place', options.place)}; give fewer")

    command = Command("echo", Echo, work, lambda result, options: Report(code=7), sections=("index", "cluster"))
    code = click_command(command).main(args=[*words, "-q"], standalone_mode=False)
    ((options, face),) = given
    return options, face.layers, code


def test_what_is_typed_becomes_options_and_a_report_says_the_exit_code() -> None:
    options, layers, code = typed("here", "-n", "a, b", "--name", "c")
    assert options == Echo(place=Path("here"), names=("a", "b", "c"))
    assert (layers, code) == ((), 7)


def test_settings_are_layers_and_those_of_set_win() -> None:
    layers = typed("here", "--set", "cluster.k=6", "--cluster.k", "5", "--index.bands", "4,3,2")[1]
    assert [dict(layer.values) for layer in layers] == [{"cluster.k": 5, "index.bands": "4,3,2"}, {"cluster.k": 6}]


def test_earlier_names_of_options_and_settings_are_taken_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, layers, _ = typed("here", "--number-of", "9", "--index.every", "25")
    assert options.count == 9
    assert capsys.readouterr().err == "warning: --number-of is called --count now\n"
    with pytest.warns(RenamedWarning, match=r"^command line: index\.every is called index\.frame_step now$"):
        settings = pipeline.resolve(pipeline.open_run(tmp_path / "run"), layers=layers)
    assert settings["index"].model_dump()["frame_step"] == 25


def test_an_error_of_the_work_is_said_as_it_was_typed() -> None:
    with pytest.raises(UsageError, match=r"^--count 99 is too many for here; give fewer$"):
        typed("here", "--count", "99")
