"""Folders of segpipe are known by their marker; a person's folder is never taken, and two commands never share one."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from segpipe.base.errors import LockedError, UsageError
from segpipe.store.ownership import APPLIED, ATTENDED, CORRUPTED, PROBED, RUN, Kind, claim, locked


def never() -> bool:
    return False


def test_a_folder_with_other_files_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(UsageError, match=rf"{tmp_path} is not a run .* \(thesis.txt\); .*{tmp_path}/run"):
        claim(tmp_path, RUN, earlier=never)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    claim(tmp_path, RUN, earlier=lambda: True)  # it is one of a version without markers
    assert (tmp_path / ".segpipe").exists()
    with pytest.raises(UsageError, match="is a file"):
        claim(tmp_path / "thesis.txt", RUN, earlier=never)


@pytest.mark.parametrize("kind", [APPLIED, ATTENDED, PROBED, CORRUPTED])
def test_a_folder_is_of_one_kind(tmp_path: Path, kind: Kind) -> None:
    claim(tmp_path / "run", RUN, earlier=never)
    claim(tmp_path / "run", RUN, earlier=never)
    with pytest.raises(UsageError, match=f"is a run of segpipe, not {kind.name}"):
        claim(tmp_path / "run", kind, earlier=never)
    claim(tmp_path / "out", kind, earlier=never)
    with pytest.raises(UsageError, match=f"is {kind.name} of segpipe, not a run"):
        claim(tmp_path / "out", RUN, earlier=never)


def test_what_a_killed_process_or_a_file_manager_left_is_nobodys(tmp_path: Path) -> None:
    for name in (".DS_Store", ".lock", ".0d88248fa170d41e.1234.tmp"):
        (tmp_path / name).touch()
    claim(tmp_path, RUN, earlier=never)


@pytest.mark.parametrize("said", ['{"pid": 42, "since": "noon"}', '{"pid": 4', "[1]", None])
def test_a_second_process_is_told_who_works_here(tmp_path: Path, said: str | None) -> None:
    claim(tmp_path, APPLIED, earlier=never)
    if said is not None:
        (tmp_path / ".lock.json").write_text(said, "utf-8")
    who = "process 42 since noon" if said and "noon" in said else "another process"
    with (
        FileLock(tmp_path / ".lock", is_singleton=False),
        pytest.raises(LockedError, match=f"in use by {who}"),
        locked(tmp_path, APPLIED, earlier=never),
    ):
        pass
    with locked(tmp_path, APPLIED, earlier=never):
        assert (tmp_path / ".lock.json").exists()
    assert not (tmp_path / ".lock.json").exists()
