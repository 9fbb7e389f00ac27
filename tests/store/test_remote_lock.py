import threading
import time
from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.errors import LockedError
from segpipe.base.remote_path import RemotePath
from segpipe.store.remote_lock import NAME, RemoteLock
from tests.helpers.object_server import faulty, keys


def lock(run: RemotePath, folder: Path, name: str = "owner", **options: float) -> RemoteLock:
    return RemoteLock(run, folder / name, **options)


def test_one_command_holds_it_and_gives_it_back(bucket: RemotePath, tmp_path: Path) -> None:
    run = bucket / "run"
    with lock(run, tmp_path).held():
        assert keys(run) == [NAME]
        other = lock(run, tmp_path, "other")
        with pytest.raises(LockedError, match=rf"{run} is in use by process \d+ on .* since"):
            other.held().__enter__()
    assert keys(run) == []
    with other.held():
        pass


def test_of_many_who_want_it_one_gets_it(bucket: RemotePath, tmp_path: Path) -> None:
    run, got, barrier, ended = bucket / "run", list[int](), threading.Barrier(6), threading.Barrier(6)

    def try_it(i: int) -> None:
        barrier.wait()
        try:
            with lock(run, tmp_path, str(i)).held():
                got.append(i)
                ended.wait()
        except LockedError:
            ended.wait()

    threads = [threading.Thread(target=try_it, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_one_of_a_killed_command_of_this_copy_is_taken_over_at_once(bucket: RemotePath, tmp_path: Path) -> None:
    killed = lock(bucket / "run", tmp_path)
    killed._take()
    with pytest.raises(LockedError):
        lock(bucket / "run", tmp_path, "other").held().__enter__()
    with lock(bucket / "run", tmp_path).held():
        pass


def test_one_that_ran_out_is_taken_over_and_its_owner_hears_of_it(bucket: RemotePath, tmp_path: Path) -> None:
    slow, other = lock(bucket / "run", tmp_path, "slow"), lock(bucket / "run", tmp_path, "other", seconds=0.5)
    slow._take()  # and renews it no more
    time.sleep(2.1)  # the store's clock has seconds
    with other.held():
        slow._beat_once()
        with pytest.raises(LockedError, match="another command took the run while the store could not be reached"):
            slow.check()
        other.check()
        slow._give_back()
        assert keys(bucket / "run") == [NAME]


def test_it_is_renewed_while_it_is_held(bucket: RemotePath, tmp_path: Path) -> None:
    held = lock(bucket / "run", tmp_path, seconds=0.2)
    with held.held():
        first = object_store.head(bucket / "run" / NAME).etag
        for _ in range(100):
            if object_store.head(bucket / "run" / NAME).etag != first:
                break
            time.sleep(0.05)
        else:
            pytest.fail("it was never renewed")
        held.check()


def test_a_renewal_whose_answer_is_lost_was_done(
    bucket: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        held = lock(bucket / "run", tmp_path)
        proxy.fault = lambda method, path: "lost" if method == "PUT" and len(proxy.seen) in (0, 4) else ""
        with held.held():
            for _ in range(3):
                held._beat_once()
            held.check()
    assert "lost" in [fault for _, _, fault in proxy.seen]
    assert keys(bucket / "run") == []
