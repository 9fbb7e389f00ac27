import time
from pathlib import Path

import pytest

from segpipe.base.remote_path import RemotePath
from segpipe.store.object_leases import ObjectLeases
from tests.helpers.object_server import faulty, keys
from tests.store.test_leases import take_at_once


def leases(bucket: RemotePath, folder: Path, *, seconds: float = 60) -> ObjectLeases:
    return ObjectLeases(bucket / "parts", folder, seconds=seconds)


def test_a_lease_has_one_owner_of_many_who_try_at_once(bucket: RemotePath, tmp_path: Path) -> None:
    workers = [leases(bucket, tmp_path) for _ in range(6)]
    got = take_at_once([*workers])
    assert len(got) == 1
    assert workers[0].running() == {"00001": got[0]}


def test_it_is_renewed_given_back_and_seized(bucket: RemotePath, tmp_path: Path) -> None:
    mine, other = leases(bucket, tmp_path), leases(bucket, tmp_path)
    assert mine.take("00001")
    assert mine.renew("00001")
    assert not other.take("00001")
    other.give_back("00001")  # which is not its to give
    assert other.running() == {"00001": mine.owner}
    assert other.take("00001", seize=True)
    assert not mine.renew("00001")
    mine.give_back("00001")
    assert mine.running() == {"00001": other.owner}
    with other.held("00001"):
        pass
    assert keys(bucket) == []


def test_one_that_ran_out_goes_to_one_of_many(bucket: RemotePath, tmp_path: Path) -> None:
    assert leases(bucket, tmp_path).take("00001")
    time.sleep(2.1)  # the store's clock has seconds
    workers = [leases(bucket, tmp_path, seconds=1.0) for _ in range(4)]
    assert workers[0].running() == {}
    got = take_at_once([*workers])
    assert len(got) == 1


def test_a_renewal_whose_answer_is_lost_was_done(
    bucket: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    with faulty(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        mine = leases(bucket, tmp_path)
        assert mine.take("00001")
        lost = len(proxy.seen)
        proxy.fault = lambda method, path: "lost" if len(proxy.seen) == lost else ""
        assert mine.renew("00001")
        assert mine.renew("00001")
