"""`segpipe sample` in the terminal and in Python."""

from pathlib import Path

import pytest

import segpipe
from segpipe.base.errors import UsageError
from segpipe.cli.entry import run_cli
from segpipe.commands import demo


def test_the_terminal_says_what_was_written_and_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my sample"
    command = ["sample", "photos", str(out), "--count", "3"]
    assert run_cli(command) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["photos", "labels", "points", "sites", "next:"]
    assert said[-1] == f"next: segpipe run '{out / 'images'}' 'runs/my sample' --backbone classical --cluster.k 5"
    assert len([path for path in (out / "images").rglob("*") if path.is_file()]) == 3
    assert run_cli(command) == 0
    assert f"{out} was there already and is left as it is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mosaic", "OUT", "--count", "3"], "error: --count 3 is for photos only; leave it out for mosaic"),
        (["photos", "."], "error: . is not empty and holds no sample; choose another folder"),
    ],
)
def test_refusals_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert run_cli(["sample", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_python_returns_the_folder(tmp_path: Path) -> None:
    out = segpipe.sample("photos", tmp_path / "out", count=1, seed=4)
    assert out == tmp_path / "out"
    assert (out / "points.csv").is_file()
    with pytest.raises(UsageError, match="kind=film"):
        segpipe.sample("film", tmp_path / "other")  # type: ignore[arg-type]
    assert [command.name for command in (demo.SAMPLE, demo.DEMO)] == ["sample", "demo"]
