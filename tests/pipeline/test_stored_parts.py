from pathlib import Path

import pytest

from segpipe.base import files
from segpipe.base.remote_path import RemotePath
from segpipe.pipeline import stored_parts
from segpipe.pipeline.run_settings import resolve
from segpipe.pipeline.steps import BY_NAME
from segpipe.pipeline.stored_parts import leases_of, pull_parts, remote_parts, stored_round
from segpipe.store.leases import Leases
from segpipe.store.part_taker import told_running
from segpipe.store.run_dir import KEY, RunDir
from segpipe.store.shared_work import Round, Sharing
from tests.helpers.stored_run import ARTEFACTS, machine, open_there
from tests.store.test_remote_rounds import Numbers

EXTRACT = BY_NAME["extract"]


@pytest.fixture(autouse=True)
def numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `extract` be done in rounds."""
    sharing = Sharing(lambda _, __, out, ___: Numbers(out), lambda out: (out / "begun").exists())
    monkeypatch.setattr(stored_parts, "sharing_of", lambda stage: sharing if stage is EXTRACT else None)


def test_a_run_in_a_folder_has_none_of_them(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / "run", ARTEFACTS)
    assert remote_parts(run_dir, EXTRACT, "k") is None
    assert stored_round(EXTRACT, "k", resolve(run_dir), run_dir) == Round()
    pull_parts(EXTRACT, "k", resolve(run_dir), run_dir)
    assert not (tmp_path / "run").exists()


def test_who_works_at_another_key_is_found_wherever_the_run_lies(bucket: RemotePath, tmp_path: Path) -> None:
    for run_dir in (open_there(bucket / "run"), RunDir(tmp_path / "run", ARTEFACTS)):
        owners = {}
        for key in ("aa-2", "bb"):
            parts = remote_parts(run_dir, EXTRACT, key)
            plain = Leases(run_dir.root / "parts" / "extract" / key, seconds=60)
            held = plain if parts is None else parts.leases(seconds=60)
            assert held.take("00003")
            owners[key] = held.owner
        for but, who in (("aa", owners["bb"]), ("bb", owners["aa-2"])):
            told = told_running(leases_of(run_dir, EXTRACT, seconds=60, but=but))
            assert told == f"part 3 of extract is being done by {who}"
        assert told_running(leases_of(run_dir, BY_NAME["mine"], seconds=60)) == ""


def test_another_machine_sees_the_round_and_goes_on_from_there(bucket: RemotePath, tmp_path: Path) -> None:
    url = bucket / "run"
    run_dir = open_there(url)
    settings, parts = resolve(run_dir), remote_parts(run_dir, EXTRACT, "k")
    assert parts is not None
    assert stored_round(EXTRACT, "k", settings, run_dir) == Round()
    pull_parts(EXTRACT, "k", settings, run_dir)
    assert not parts.out.exists()
    agree = parts.agreement.made(lambda folder: (folder / "begun").touch())
    parts.out.mkdir()
    agree(parts.out)
    files.write_text(parts.out / KEY, "k")
    assert stored_round(EXTRACT, "k", settings, run_dir) == Round(1, 2)
    work = Numbers(parts.out)
    work.write(range(3))
    parts.push(work.names(range(3)), [])
    work.close_round()
    parts.agreement.close(1, work.closed(1))
    with machine(tmp_path, "two"):
        other = open_there(url)
        assert stored_round(EXTRACT, "k", settings, other) == Round(2, 2)
        assert not (other.root / "features.partial").exists()
        pull_parts(EXTRACT, "k", settings, other)
        names = sorted(path.name for path in (other.root / "features.partial").iterdir())
        assert names[2:] == [f"{kind}-{unit}" for kind in ("much", "number") for unit in range(3)] + ["sum-1"]
        assert stored_round(BY_NAME["train"], "k", settings, other) == Round()
