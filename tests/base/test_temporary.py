"""Temporary folders go with their process, or with the next one."""

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from segpipe.base.errors import MachineError
from segpipe.base.temporary import temporary_folder

HOLD = """
import sys, time
from segpipe.base.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "model").write_text("x")
    print(folder, flush=True)
    time.sleep(100)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def hold(home: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process inside the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], env={**os.environ, "TMPDIR": str(home)}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_goes_with_its_block(home: Path) -> None:
    with temporary_folder() as folder:
        (folder / "a").write_text("x")
        assert folder.parent == home
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(home.iterdir())


def test_what_a_killed_process_left_is_cleared_and_what_a_living_one_holds_is_not(home: Path) -> None:
    (home / "segpipe.notes").write_text("a file of somebody")
    killed, left = hold(home)
    living, held = hold(home)
    assert left.is_dir()  # the second one saw that the first lives
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    try:
        with temporary_folder():
            assert not left.exists()
            assert (held / "model").read_text() == "x"
    finally:
        living.kill()
        living.communicate()
    with temporary_folder():
        pass
    assert [path.name for path in home.iterdir()] == ["segpipe.notes"]


def test_a_place_that_cannot_be_written_is_the_machines_fault(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(home / "file"))
    with pytest.raises(MachineError, match=r"no temporary folder can be made .*TMPDIR"), temporary_folder():
        pass


def test_folders_of_a_person_stay_whatever_they_are_called(home: Path) -> None:
    theirs = ["segpipe.old", "segpipe.backup.lock", f"segpipe.{'0' * 15}", f"segpipe.{'g' * 16}", "segpipe."]
    for name in theirs:
        (home / name).mkdir()
        (home / name / "work.txt").write_text("mine")
    with temporary_folder() as folder:
        assert re.fullmatch(r"segpipe\.[0-9a-f]{16}", folder.name)
    assert sorted(path.parent.name for path in home.glob("*/work.txt")) == sorted(theirs)
    assert {path.name for path in home.iterdir()} == set(theirs)


def test_a_folder_can_lie_where_it_is_renamed(home: Path) -> None:
    (home / "there").mkdir()
    with temporary_folder(home / "there") as folder:
        assert folder.parent == home / "there"
    assert not list((home / "there").iterdir())


def test_what_cannot_be_made_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def full(self: Path, mode: int = 0o777, **how: bool) -> None:
        if how:  # of the lock's own library, where the folder is there
            return mkdir(self, mode, **how)
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(MachineError, match="No space left"), temporary_folder():
        pass
    assert not list(home.iterdir())
