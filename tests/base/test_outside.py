"""Text files from outside: UTF-8 or UTF-16, bounded, and a wrong byte has its line."""

import errno
import os
from pathlib import Path

import pytest

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.outside import read_names, read_outside


def read(path: Path, most: int = 100) -> str:
    return read_outside(path, most=most, what="list", way_out="write it again")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encodings_that_editors_write(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("é 🐠\n".encode(encoding))
    assert read(tmp_path / "a") == "é 🐠\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a\né".encode("latin-1"), r"a:2: not UTF-8 \(byte 2\); save this list as UTF-8"),
        (b"\xff\xfea", r"a:1: not UTF-16 \(byte 2\)"),
        (b"a\n\0", "a:2: holds a NUL byte"),
        (b"a" * 101, "larger than 0 MiB, so it is no list; write it again"),
    ],
)
def test_what_is_no_text_is_told(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError, match=problem):
        read(tmp_path / "a")


def test_a_file_without_end_is_not_read_to_it() -> None:
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        read(Path("/dev/zero"), 1 << 20)


def test_what_cannot_be_opened_is_told_and_a_shortage_is_the_machine_s(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UsageError, match=r"none: cannot read this list \(No such file or directory\); write it again"):
        read(tmp_path / "none")
    with pytest.raises(UsageError, match="Is a directory"):
        read(tmp_path)

    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(MachineError, match="too many files are open"):
        read(tmp_path / "a")


def test_names_of_files_are_any_bytes_each_once_and_bounded(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfb.png\r\n\n  \na \xff.png\nb.png\n c.png \n")
    names = read_names(tmp_path / "a", most=100, what="list", way_out="write it again")
    assert list(names) == ["b.png", os.fsdecode(b"a \xff.png"), " c.png "]
    with pytest.raises(UsageError, match="larger than 1 MiB, so it is no list; write it again"):
        read_names(Path("/dev/zero"), most=1 << 20, what="list", way_out="write it again")
