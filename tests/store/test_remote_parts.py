from collections.abc import Callable
from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.remote_path import RemotePath
from segpipe.records.part_record import PartFailure, PartRecord
from segpipe.store.part_folder import PartFolder
from segpipe.store.remote_parts import RemoteParts, StoredPartFolder, forget_records
from segpipe.store.remote_run import RemoteRun
from segpipe.store.shared_work import Round, shared_folder
from tests.helpers.object_server import keys
from tests.helpers.stored_run import MAKERS, machine, open_there


def remote_of(url: RemotePath) -> RemoteRun:
    remote = open_there(url).remote
    assert remote is not None
    return remote


def parts_of(url: RemotePath) -> RemoteParts:
    """Of the features, as this machine sees them."""
    return RemoteParts(remote_of(url), "features", "extract", "k")


def layer(text: str) -> Callable[[Path], None]:
    def lay_out(folder: Path) -> None:
        (folder / "store.zarr").mkdir()
        (folder / "store.zarr" / "agreed").write_text(text)

    return lay_out


def begin(url: RemotePath, text: str) -> RemoteParts:
    """Lay the features out on this machine."""
    run_dir, parts = open_there(url), parts_of(url)

    def laid_out(folder: Path) -> bool:
        return (folder / "store.zarr" / "agreed").exists()

    out = shared_folder(run_dir, "features", "k", lay_out=parts.agreement.made(layer(text)), laid_out=laid_out)
    assert out == parts.out
    return parts


def record(number: int) -> PartRecord:
    values = {"stage": "extract", "key": "k", "part": number, "parts": 3, "start": 0, "stop": 1, "files": 1, "bytes": 4}
    return PartRecord(**values, sha256="s", seconds=1.0, finished="then", versions={}, host="h")  # type: ignore[arg-type]


def write(url: RemotePath, parts: RemoteParts, number: int) -> None:
    """Do a part."""
    (parts.out / f"shard{number}").write_text("rows")
    PartFolder(open_there(url).root, "extract", "k").save(record(number))
    parts.push([f"shard{number}", "nothing to say"], [f"{number:05}.json"])


def test_who_closes_the_stage_has_what_all_wrote(bucket: RemotePath, tmp_path: Path) -> None:
    url = bucket / "run"
    for number, name in ((1, "one"), (3, "two")):
        with machine(tmp_path, name):
            write(url, begin(url, name), number)
    with machine(tmp_path, "three"):
        parts = parts_of(url)
        assert parts.measure(["shard1", "shard2", "shard3"]) == (2, 8)
        assert parts.pull_begun()
        parts.pull()
        folder = PartFolder(open_there(url).root, "extract", "k")
        assert sorted(folder.records(3)) == [1, 3]
        assert sorted(path.name for path in parts.out.iterdir()) == [".key", "shard1", "shard3", "store.zarr"]
        assert [parts.has(name) for name in ("00001.json", "00002.json")] == [True, False]
        parts.forget("00001.json")
        assert not parts.has("00001.json")
    assert "parts/extract/k/00001.json" not in keys(url)


def test_where_nothing_was_begun_nothing_is_fetched(bucket: RemotePath) -> None:
    parts = parts_of(bucket / "run")
    assert not parts.pull_begun()
    assert not parts.out.exists()
    parts.out.mkdir()
    assert not parts.pull_begun()
    assert parts.out.exists()  # this machine's own, of which others need not know


def test_a_worker_sees_the_parts_of_others(bucket: RemotePath, tmp_path: Path) -> None:
    url = bucket / "run"
    with machine(tmp_path, "one"):
        write(url, begin(url, "one"), 1)
        failures = PartFolder(open_there(url).root, "extract", "k")
        failures.fail(PartFailure(part=2, reason="why", host="h", finished="then"))
        parts_of(url).push((), ["00002.failed"])
    with machine(tmp_path, "two"):
        parts = parts_of(url)
        folder = StoredPartFolder(parts, open_there(url).root, "extract", "k")
        assert [folder.has(number) for number in (1, 2, 3)] == [True, False, False]
        assert folder.done(1, 3) == record(1)
        parts.pull_records()
        assert folder.failures()[2].reason == "why"
        parts.forget("00002.failed")
        parts.pull_records()
        assert folder.failures() == {}
        with parts.leases(seconds=60).held("00003"):
            pass


def test_records_are_of_a_round_and_fetched_once(
    bucket: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, read, asked = bucket / "run", object_store.read, list[str]()
    with machine(tmp_path, "one"):
        begin(url, "one")
        of_two = RemoteParts(remote_of(url), "features", "extract", "k", Round(2, 3))
        for number in (1, 2):
            PartFolder(open_there(url).root, "extract", "k-2").save(record(number))
            of_two.push((), [f"0000{number}.json"])
    assert "parts/extract/k-2/00001.json" in keys(url)

    def noted(path: RemotePath) -> tuple[bytes, object_store.Stored]:
        asked.extend([path.name] if path.name != "run.json" else [])
        return read(path)

    with machine(tmp_path, "two"):
        monkeypatch.setattr(object_store, "read", noted)
        assert parts_of(url).pull_begun()
        remote = RemoteParts(remote_of(url), "features", "extract", "k", Round(2, 3))
        assert sorted(asked) == ["00001.json", "00002.json", "layout.tar"]
        of_two.forget("00002.json")
        remote.pull_records()
        folder = StoredPartFolder(remote, remote_of(url).copy, "extract", "k-2")
        assert [folder.has(number) for number in (1, 2)] == [True, False]  # although this machine has both
        assert asked[3:] == ["00002.json"]


def test_records_are_forgotten_and_what_was_agreed_is_not(bucket: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    url = bucket / "run"
    write(url, begin(url, "one"), 1)
    forget_records(RemoteRun(url, MAKERS))
    assert [name for name in keys(url) if "parts" in name] == ["parts/extract/k/layout.tar"]
    assert object_store.names(url / "features") == ["k.partial"]
