"""`segpipe doctor`: the exit code is that of a machine that lacks something."""

from pathlib import Path

import pytest

from segpipe.base.options import Face, make
from segpipe.commands.doctor import COMMAND, DoctorOptions


@pytest.mark.parametrize(("sound", "code"), [(True, 0), (False, 5)])
def test_the_exit_code(sound: bool, code: int) -> None:
    assert COMMAND.report(("table", sound), make(DoctorOptions, {})).code == code


def test_a_folder_that_cannot_be_written_to_is_not_sound(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _, sound = COMMAND.work(make(DoctorOptions, {"folder": tmp_path / "file"}), Face())
    assert not sound
