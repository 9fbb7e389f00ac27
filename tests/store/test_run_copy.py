import hashlib
from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.remote_path import RemotePath
from segpipe.records.remote_head import RemoteHead
from segpipe.store.run_copy import FILES, HEAD, RunCopy, copy_of, load_head, remote_url
from tests.helpers.stored_run import MAKERS


def put_head(url: RemotePath, **files: str) -> str:
    """A run of small files alone."""
    sums = {f"{name}.txt": hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    for sha256, text in zip(sums.values(), files.values(), strict=True):
        object_store.put(url / FILES / sha256, text.encode())
    head = RemoteHead(files=sums)
    return object_store.put(url / HEAD, head.model_dump_json().encode())


@pytest.fixture
def copy(bucket: RemotePath) -> RunCopy:
    made = RunCopy(bucket / "run", copy_of(bucket / "run"), MAKERS)
    made.begin()
    return made


def test_a_copy_knows_its_run(copy: RunCopy, tmp_path: Path) -> None:
    assert remote_url(copy.root) == remote_url(copy.url) == remote_url(Path(str(copy.url))) == copy.url
    assert remote_url(tmp_path) is None
    assert copy_of(copy.url) != copy_of(copy.url.parent / "other")


def test_it_follows_what_others_write(copy: RunCopy) -> None:
    put_head(copy.url, one="1", two="2")
    copy.follow()
    assert (copy.root / "one.txt").read_text() == "1"
    (copy.root / "features.partial").mkdir()
    (copy.root / "features").mkdir()  # of which the run says nothing
    etag = put_head(copy.url, two="2", three="3")
    copy.follow()
    names = {path.name for path in copy.root.iterdir() if not path.name.startswith(".")}
    assert names == {"two.txt", "three.txt", "features.partial"}
    assert copy.synced()[1] == etag
    assert load_head(copy.url) == copy.synced()
    assert copy.head() == copy.synced()[0]


def test_what_a_killed_command_left_stays_while_nobody_else_wrote(copy: RunCopy) -> None:
    put_head(copy.url, one="1")
    copy.follow()
    (copy.root / "one.txt").write_text("changed")
    copy.follow()
    assert (copy.root / "one.txt").read_text() == "changed"
    assert copy.head() != copy.synced()[0]


def test_a_run_that_was_deleted_there_is_deleted_here(copy: RunCopy) -> None:
    put_head(copy.url, one="1")
    copy.follow()
    object_store.delete(copy.url, [HEAD])
    copy.follow()
    assert not (copy.root / "one.txt").exists()
    assert copy.synced() == (RemoteHead(), "")


def test_a_damaged_run_is_said(copy: RunCopy) -> None:
    object_store.put(copy.url / HEAD, b"{")
    with pytest.raises(UsageError, match=r"run.json is damaged, or of another version"):
        copy.follow()
    wrong = RemoteHead(files={"config.yaml": "0" * 64})
    object_store.put(copy.url / FILES / ("0" * 64), b"others")
    object_store.put(copy.url / HEAD, wrong.model_dump_json().encode())
    with pytest.raises(MachineError, match=r"config.yaml has other bytes than the run says"):
        copy.follow()
    head = RemoteHead(files={"config.yaml": "none"})
    object_store.put(copy.url / HEAD, head.model_dump_json().encode())
    with pytest.raises(MachineError, match=r"config.yaml is gone, which the run names"):
        copy.follow()
