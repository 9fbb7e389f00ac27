"""`segpipe diff`: both must be runs."""

from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import Face, make
from segpipe.commands.diff import COMMAND, DiffOptions


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.yaml").write_text("cluster: {k: 3}\n")
    with pytest.raises(UsageError, match=r"b is not a run \(no config.yaml\)"):
        COMMAND.work(make(DiffOptions, {"run_a": tmp_path / "a", "run_b": tmp_path / "b"}), Face())
