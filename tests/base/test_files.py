import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base import files
from segpipe.base.errors import UsageError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), files.atomic(tmp_path / "a.txt") as beside:  # noqa: PT012
        beside.write_text("half")
        raise RuntimeError
    assert files.read_text(tmp_path / "a.txt") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@given(st.text())
def test_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("t") / "a.txt"
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # lone surrogates that no file name can hold
    files.write_text(path, text)
    assert files.read_text(path) == text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def test_names_of_unfinished_files_are_known(tmp_path: Path) -> None:
    with files.atomic(tmp_path / "a.txt") as beside:
        assert files.is_beside(beside.name)
        beside.touch()
    assert not any(files.is_beside(name) for name in ("a.txt", ".a.tmp", f".{'g' * 16}.1.tmp"))


def test_paths_that_are_no_utf8_are_told(tmp_path: Path) -> None:
    files.check_utf8(tmp_path / "礁 é")
    with pytest.raises(UsageError, match=r"the path is not UTF-8"):
        files.check_utf8(tmp_path / os.fsdecode(b"a\xff"))


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\0b"])
def test_names_stay_inside(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        files.inside(tmp_path, name)


def test_plain_names_are_allowed(tmp_path: Path) -> None:
    assert files.inside(tmp_path, "sub folder/é.png") == tmp_path / "sub folder" / "é.png"


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})


def test_jsonl_round_trip(tmp_path: Path) -> None:
    rows = [{"a": 1}, {"b": "line\nbreak \u2028 é"}]
    files.write_jsonl(tmp_path / "a.jsonl", rows)
    assert files.read_jsonl(tmp_path / "a.jsonl") == rows


def test_what_a_killed_process_left_beside_a_file_goes_when_it_is_written_again(tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    name = f".{files.digest('reef.segpipe')}"
    left, own, other = (
        tmp_path / text
        for text in (f"{name}.{int(dead.stdout)}.tmp", f"{name}.{os.getpid()}.tmp", f".{'0' * 16}.1.tmp")
    )
    for path in (left, own, other):
        path.touch()
    files.clear_beside(tmp_path / "reef.segpipe")
    assert sorted(tmp_path.iterdir()) == sorted([own, other])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1}\n[1]\n', "line 2: it holds a list, no object"),
        ('{"a": 1}\n\n{"a": ' + "[" * 100_000, "line 3: it is nested too deep"),
        ('{"a": ' + "9" * 5000 + "}", "line 1: Exceeds the limit"),
        ('{"a": 1', "line 1: Expecting"),
    ],
)
def test_lines_that_are_no_objects_are_value_errors_with_their_number(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(ValueError, match=problem):
        files.read_jsonl(tmp_path / "a.jsonl")
    with pytest.raises(ValueError, match=r"no object|nested|limit|Expecting|Extra"):
        files.read_json(tmp_path / "a.jsonl")
    files.write_json(tmp_path / "a.json", {"é": [1]})
    assert files.read_json(tmp_path / "a.json") == {"é": [1]}


def test_folders_that_were_being_made_are_swept_once_their_process_has_ended(tmp_path: Path) -> None:
    ours, theirs = files.folder_beside(tmp_path / "a"), files.folder_beside(tmp_path / "a")
    theirs = theirs.with_name(theirs.name.replace(f".{os.getpid()}.", ".99999999."))
    for folder in (ours, theirs):
        folder.mkdir()
        (folder / "half").touch()
        assert files.is_beside(folder.name)
    files.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [ours.name]
