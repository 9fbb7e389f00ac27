from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.errors import MachineError
from segpipe.base.remote_path import RemotePath
from segpipe.store.object_folders import files_below, pull_files, pull_folder, push_files, push_folder
from tests.helpers.object_server import faulty, keys

FILES = {"SHA256SUMS": b"sums", "a/b c.bin": b"x" * 3000, "a/empty": b"", "store.zarr/zarr.json": b"{}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "made" / ".key").write_text("whose it is")
    (tmp_path / "made" / ".0d88248fa170d41e.1234.tmp").write_text("being written")
    return tmp_path / "made"


def test_a_folder_goes_there_and_comes_back(folder: Path, bucket: RemotePath, tmp_path: Path) -> None:
    assert files_below(folder) == sorted(FILES)
    done = push_folder(folder, bucket / "v1")
    assert (done.files, done.bytes) == (4, 3006)
    assert keys(bucket / "v1") == sorted(FILES)
    assert pull_folder(bucket / "v1", tmp_path / "back").files == 4
    assert {name: (tmp_path / "back" / name).read_bytes() for name in files_below(tmp_path / "back")} == FILES
    assert sorted(path.name for path in tmp_path.iterdir() if "pulled" in path.name) == []


def test_what_an_earlier_try_has_written_is_not_written_again(
    folder: Path, bucket: RemotePath, monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    push_files(folder, ["a/b c.bin"], bucket / "v1")
    object_store.put(bucket / "v1/SHA256SUMS", b"short")
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        push_folder(folder, bucket / "v1")
    written = sorted(path.split("/v1/")[1] for method, path, _ in proxy.seen if method == "PUT")
    assert written == ["SHA256SUMS", "store.zarr/zarr.json"] or written == [
        "SHA256SUMS",
        "a/empty",
        "store.zarr/zarr.json",
    ]


def test_one_cut_short_or_gone_is_said(bucket: RemotePath, tmp_path: Path) -> None:
    object_store.put(bucket / "a", b"text")
    with pytest.raises(
        MachineError, match=r"/a: 4 bytes came of an object that is listed with 9.*run the same command"
    ):
        pull_files(bucket, {"a": 9}, tmp_path)
    with pytest.raises(MachineError, match="/b is gone since it was listed"):
        pull_files(bucket, {"b": 9}, tmp_path)
    with pytest.raises(MachineError, match="/none is gone, which the run names"):
        pull_folder(bucket / "none", tmp_path / "none")
    assert list(tmp_path.iterdir()) == [] or [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_one_that_appears_meanwhile_stays(folder: Path, bucket: RemotePath) -> None:
    push_folder(folder, bucket / "v1")
    (folder / "a" / "b c.bin").write_bytes(b"another's")
    pull_folder(bucket / "v1", folder)
    assert (folder / "a" / "b c.bin").read_bytes() == b"another's"
