import os
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
        assert files.is_unfinished(beside.name)
        beside.touch()
    assert not any(files.is_unfinished(name) for name in ("a.txt", ".a.tmp", f".{'g' * 16}.1.tmp"))


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
