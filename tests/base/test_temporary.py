"""Temporary folders go with their process, or with the next one."""

import os
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
