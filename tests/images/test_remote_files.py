import fcntl
import logging
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.errors import CorpusError, MachineError, UsageError
from segpipe.base.remote_path import RemotePath
from segpipe.images import remote_files
from segpipe.images.remote_files import FetchedFiles, forget_others, local
from tests.helpers.object_server import faulty

SIZE = 10_000


@pytest.fixture
def photos(bucket: RemotePath) -> list[RemotePath]:
    """Ten objects of 10 kB."""
    paths = [bucket / "photos" / f"{i}.jpg" for i in range(10)]
    for i, path in enumerate(paths):
        object_store.put(path, bytes([i]) * SIZE)
    return paths


def held(folder: Path) -> int:
    """Bytes in a folder and below it."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({each.st_ino: each.st_size for each in found}.values())  # once where it is renamed meanwhile


def test_a_file_of_this_machine_is_itself(tmp_path: Path) -> None:
    with local(tmp_path / "a.jpg") as file:
        assert file == tmp_path / "a.jpg"


def test_an_object_is_fetched_once_under_its_name(
    photos: list[RemotePath], monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        for _ in range(3):
            with local(photos[3], size=SIZE) as file:
                assert file.name == "3.jpg"
                assert file.read_bytes() == b"\3" * SIZE
        assert len(proxy.seen) == 1
        with local(photos[3], fresh=True) as file:
            assert file.read_bytes() == b"\3" * SIZE
        assert len(proxy.seen) == 2


def test_notes_and_mask_of_a_raster_come_with_it(bucket: RemotePath) -> None:
    for name in ("a.tif", "a.tif.msk", "b.tif", "b.tif.aux.xml"):
        object_store.put(bucket / name, name.encode())
    with local(bucket / "a.tif") as file:
        assert sorted(path.name for path in file.parent.glob("*.*")) == [".etag", ".lock", "a.tif", "a.tif.msk"]
    with local(bucket / "b.tif") as file:
        assert file.with_name("b.tif.aux.xml").read_bytes() == b"b.tif.aux.xml"


def test_never_more_than_the_bound_lies_on_the_disk(photos: list[RemotePath], tmp_path: Path) -> None:
    cache, most = tmp_path / "bounded", 4 * SIZE + 20_000
    fetched, seen, ended = FetchedFiles(cache, most), list[int](), threading.Event()

    def look() -> None:
        while not ended.is_set():
            with (cache / ".lock").open("a") as lock:  # files come and go under it alone: one moment is measured
                fcntl.flock(lock, fcntl.LOCK_EX)
                with suppress(FileNotFoundError):  # a name that a fetch ends with was listed before
                    seen.append(held(cache))
            time.sleep(0.001)

    def read(start: int) -> None:
        for i in range(10):
            path = photos[(start + 3 * i) % 10]
            with fetched.held(path) as file:
                assert file.read_bytes() == bytes([int(path.stem)]) * SIZE

    watcher = threading.Thread(target=look)
    readers = [threading.Thread(target=read, args=(start,)) for start in range(3)]
    watcher.start()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    ended.set()
    watcher.join()
    assert len(seen) > 5
    assert max(seen) <= most
    assert held(cache) >= 2 * SIZE


def test_what_is_read_stays_and_what_was_used_last(photos: list[RemotePath], tmp_path: Path) -> None:
    fetched = FetchedFiles(tmp_path / "bounded", 3 * SIZE + 20_000)
    with fetched.held(photos[0]) as first:
        for path in photos[1:]:
            with fetched.held(path):
                pass
        assert first.read_bytes() == b"\0" * SIZE
    left = {path.name for path in (tmp_path / "bounded").rglob("*.jpg")}
    assert {"0.jpg", "9.jpg"} <= left
    assert "1.jpg" not in left


def test_where_readers_take_all_room_it_is_said(
    photos: list[RemotePath], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "_PATIENCE", 0.1)
    fetched = FetchedFiles(tmp_path / "bounded", 2 * SIZE)
    with fetched.held(photos[0]), pytest.raises(MachineError, match=r"1.jpg: images that are being read take all"):
        fetched.held(photos[1]).__enter__()
    with fetched.held(photos[1]) as file:
        assert file.exists()


def test_one_larger_than_all_room_is_said(photos: list[RemotePath], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGPIPE_CACHE_GB", "0.000005")
    with pytest.raises(UsageError, match=r"0.jpg: 0.00 GB are more.*allow more with SEGPIPE_CACHE_GB"):
        local(photos[0]).__enter__()


def test_a_large_one_is_told(
    photos: list[RemotePath], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(remote_files, "_LARGE", SIZE - 1)
    with caplog.at_level(logging.INFO), local(photos[0]):
        assert f"fetching {photos[0]} (0.0 GB)" in caplog.text


def test_one_cut_short_is_noticed_and_leaves_nothing(
    photos: list[RemotePath], monkeypatch: pytest.MonkeyPatch, object_server: str, tmp_path: Path
) -> None:
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        proxy.fault = lambda method, path: "truncate"
        with pytest.raises(CorpusError, match=f"{photos[0]}: 5000 bytes came of an object that is listed with 10000"):
            local(photos[0], size=SIZE).__enter__()
        assert not list((tmp_path / "cache").rglob("*.jpg"))
        proxy.fault = lambda method, path: ""
        with local(photos[0], size=SIZE) as file:
            assert file.stat().st_size == SIZE


def test_copies_of_other_bytes_are_forgotten(photos: list[RemotePath], bucket: RemotePath) -> None:
    for path in photos[:3]:
        with local(path):
            pass
    object_store.put(photos[1], b"new")
    now = {each.name: each.etag for each in object_store.walk(bucket / "photos")}
    forget_others(bucket / "photos", now)
    forget_others(bucket / "elsewhere", {})
    with local(photos[1]) as file:
        assert file.read_bytes() == b"new"
    with local(photos[0]) as file:
        assert file.read_bytes() == b"\0" * SIZE


def test_what_is_gone_is_said(bucket: RemotePath) -> None:
    with pytest.raises(FileNotFoundError):
        local(bucket / "none.jpg").__enter__()
