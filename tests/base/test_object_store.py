import io
import sys
from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.errors import CorpusError, MachineError, SegpipeError, UsageError
from segpipe.base.object_store import Outrun
from segpipe.base.remote_path import RemotePath
from tests.helpers.object_server import SECRET, FaultyProxy, faulty

BODY = bytes(range(256)) * 8000


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_PAUSE", 0.001)


def test_objects_are_written_read_listed_and_deleted(bucket: RemotePath, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BODY)
    etag = object_store.put(bucket / "a/b c.bin", tmp_path / "file")
    object_store.put(bucket / "a/d/é.txt", b"text")
    object_store.put(bucket / "other", b"")
    content, found = object_store.read(bucket / "a/b c.bin")
    assert content == BODY
    assert (found.size, found.etag) == (len(BODY), etag)
    assert object_store.head(bucket / "a/b c.bin") == found
    assert [(each.name, each.size) for each in object_store.walk(bucket / "a")] == [
        ("b c.bin", len(BODY)),
        ("d/é.txt", 4),
    ]
    assert [each.name for each in object_store.walk(bucket)] == ["a/b c.bin", "a/d/é.txt", "other"]
    assert object_store.names(bucket) == ["a", "other"]
    assert object_store.names(bucket / "a") == ["b c.bin", "d"]
    object_store.delete(bucket, ["other", "a/d/é.txt", "gone before"])
    assert [each.name for each in object_store.walk(bucket)] == ["a/b c.bin"]
    with pytest.raises(FileNotFoundError):
        object_store.read(bucket / "other")


def test_a_file_takes_the_bytes(bucket: RemotePath) -> None:
    object_store.put(bucket / "a", BODY)
    file, told = io.BytesIO(), list[int]()
    object_store.fetch(bucket / "a", file, begin=lambda found: told.append(found.size))
    assert file.getvalue() == BODY
    assert told == [len(BODY)]


def test_of_two_who_write_one_does(bucket: RemotePath) -> None:
    first = object_store.put(bucket / "lock", b"one", new=True)
    with pytest.raises(Outrun):
        object_store.put(bucket / "lock", b"two", new=True)
    second = object_store.put(bucket / "lock", b"two", instead_of=first)
    with pytest.raises(Outrun):
        object_store.put(bucket / "lock", b"three", instead_of=first)
    assert object_store.read(bucket / "lock")[0] == b"two"
    assert object_store.head(bucket / "lock").etag == second


@pytest.mark.parametrize("kind", ["503", "slow", "drop"])
def test_faults_are_tried_again(
    kind: str, bucket: RemotePath, monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    object_store.put(bucket / "a.jpg", BODY)
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        proxy.fault = lambda method, path: kind if method == "GET" and len(gets(proxy)) < 2 else ""
        content, _ = object_store.read(bucket / "a.jpg")
    assert content == BODY
    assert gets(proxy)[:1] == [kind]


def gets(proxy: FaultyProxy) -> list[str]:
    return [fault for method, _, fault in proxy.seen if method == "GET"]


def test_a_write_that_meets_503_is_tried_again(
    bucket: RemotePath, monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        proxy.fault = lambda method, path: "503" if len(proxy.seen) < 2 else ""
        object_store.put(bucket / "a", b"text")
        assert object_store.read(bucket / "a")[0] == b"text"


def test_a_body_that_always_breaks_off_is_said_in_a_line(
    bucket: RemotePath, monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    object_store.put(bucket / "a.jpg", BODY)
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        monkeypatch.setattr(object_store, "_RETRIES", 1)
        proxy.fault = lambda method, path: "drop" if method == "GET" else ""
        with pytest.raises(MachineError, match=rf"{bucket}/a.jpg: cannot be read \(.*, 4 times\); try again") as caught:
            object_store.read(bucket / "a.jpg")
    assert "\n" not in str(caught.value)


def test_an_object_of_another_size_than_listed_is_said() -> None:
    path = RemotePath("s3://bucket/a.jpg")
    object_store.check_size(path, 7, 7)
    with pytest.raises(CorpusError, match=r"3 bytes came of an object that is listed with 7.*upload it again"):
        object_store.check_size(path, 3, 7)


def test_a_wrong_bucket_is_said(bucket: RemotePath) -> None:
    for work in (
        lambda path: object_store.read(path),
        lambda path: list(object_store.walk(path)),
        lambda path: object_store.put(path, b"."),
        lambda path: object_store.names(path),
    ):
        with pytest.raises(UsageError, match="there is no bucket s3://reef-of-nobody; correct its name"):
            work(RemotePath("s3://reef-of-nobody/a"))
    with pytest.raises(UsageError, match="names no bucket"):
        object_store.read(RemotePath("s3:"))


@pytest.mark.parametrize(("status", "kind"), [(403, "permission"), (401, "permission")])
def test_no_permission_is_said_without_the_secret(
    status: int, kind: str, bucket: RemotePath, monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        proxy.fault = lambda method, path: str(status)
        for work in (lambda path: object_store.read(path), lambda path: object_store.put(path, b".")):
            with pytest.raises(MachineError, match=f"credentials.*{kind}") as caught:
                work(bucket / "a")
            assert SECRET not in str(caught.value)


def test_no_credentials_are_said(bucket: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")  # a machine that is none of Amazon's
    monkeypatch.setattr(object_store, "_RETRIES", 0)
    with pytest.raises(MachineError, match=r"there are no credentials; give them by the environment \(AWS_ACCESS"):
        object_store.read(RemotePath(f"{bucket}-b") / "a")


def test_a_store_that_is_not_there_is_said(bucket: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(object_store, "_RETRIES", 0)
    with pytest.raises(MachineError, match=r"cannot be read \(no answer\); see whether the store can be reached"):
        object_store.read(bucket / "a")


def test_without_the_extra_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(SegpipeError, match=r"pip install 'segpipe\[cloud\]'"):
        object_store.read(RemotePath("s3://bucket/a"))
