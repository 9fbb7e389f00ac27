"""What `examine` says of directories that are not finished, and that it needs no place to write to."""

import shutil
from pathlib import Path

import pytest

from segpipe.base.runtime import no_track
from segpipe.commands.check.examine import examine
from segpipe.pipeline import open_run
from segpipe.store.run_dir import RunDir
from tests.helpers.quick_run import reef_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reef_run(tmp_path_factory.mktemp("reef"), images=2).root


def test_a_directory_that_was_not_finished_is_no_fault(made: Path, tmp_path: Path) -> None:
    run = open_run(Path(shutil.copytree(made, tmp_path / "run")))
    run.record("refine", None)
    found = examine(run, deep=False, track=no_track)
    assert ("masks/", "not finished") in [(name, state) for name, _, state in found.rows]
    assert not found.faults
    assert not found.advice


def test_a_run_where_nothing_can_be_written_is_read_all_the_same(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: RunDir) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", lambda *_, **__: refuse(open_run(made)))
    found = examine(open_run(made), deep=True, track=no_track)
    assert [files for _, files, _ in found.rows if files == 0] == []
    assert not found.faults


def test_stages_are_forced_in_their_order_and_the_rest_follows(made: Path, tmp_path: Path) -> None:
    run = open_run(Path(shutil.copytree(made, tmp_path / "run")))
    for name in ("clusters/clusters.npz", "corpus/header.json"):
        (run.root / name).write_bytes(b"?")
    (advice,) = examine(run, deep=False, track=no_track).advice
    images = made.parent / "images"
    assert advice.startswith(f"`segpipe run {images} {run.root} --force index --force cluster --to refine`")
