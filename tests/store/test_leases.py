"""Leases by files: one owner at a time, times of the file system, no harm where two work on the same."""

import threading
import time
from pathlib import Path

import pytest

from segpipe.store.leases import DiskClock, Leases
from trials.many_parts import HandClock


def take_at_once(workers: list[Leases]) -> list[str]:
    """Who got the lease of many who try in the same moment."""
    barrier, got = threading.Barrier(len(workers)), list[str]()

    def try_it(worker: Leases) -> None:
        barrier.wait()
        if worker.take("00001"):
            got.append(worker.owner)

    threads = [threading.Thread(target=try_it, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_a_lease_has_one_owner_of_many_who_try_at_once(tmp_path: Path) -> None:
    workers = [Leases(tmp_path, seconds=60) for _ in range(16)]
    got = take_at_once(workers)
    assert len(got) == 1
    assert workers[0].running() == {"00001": got[0]}


def test_one_that_ran_out_goes_to_one_of_many(tmp_path: Path) -> None:
    clock = HandClock()
    assert Leases(tmp_path, seconds=60, clock=clock).take("00001")
    clock.time += 61
    workers = [Leases(tmp_path, seconds=60, clock=clock) for _ in range(16)]
    got = take_at_once(workers)
    assert len(got) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["00001.lease"]


def test_it_lasts_while_it_is_renewed_and_no_longer(tmp_path: Path) -> None:
    clock = HandClock()
    mine, other = (Leases(tmp_path, seconds=60, clock=clock) for _ in range(2))
    assert mine.take("a")
    clock.time += 50
    assert mine.renew("a")
    clock.time += 50
    assert not other.take("a")
    clock.time += 11
    assert other.running() == {}
    assert other.take("a")
    assert not mine.renew("a")  # its owner still works, and learns that it has it no more
    mine.give_back("a")  # which is not its to give
    assert other.running() == {"a": other.owner}
    other.give_back("a")
    assert list(tmp_path.iterdir()) == []


def test_clocks_of_workers_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = (Leases(tmp_path, seconds=60) for _ in range(2))
    assert mine.take("a")
    real = time.time
    for minutes in (5, -5):
        monkeypatch.setattr(time, "time", lambda minutes=minutes: real() + 60 * minutes)
        assert not other.take("a")
        assert mine.renew("a")
        assert list(other.running()) == ["a"]


def test_a_scheduler_may_give_it_to_another(tmp_path: Path) -> None:
    killed, again = (Leases(tmp_path, seconds=60) for _ in range(2))
    assert killed.take("a")
    assert not again.take("a")
    assert again.take("a", seize=True)
    assert again.running() == {"a": again.owner}


def test_it_is_renewed_beside_the_work(tmp_path: Path) -> None:
    mine, other = (Leases(tmp_path, seconds=0.4) for _ in range(2))
    assert mine.take("a")
    with mine.held("a"):
        first = (tmp_path / "a.lease").stat().st_mtime_ns
        ended = time.monotonic() + 20
        while (tmp_path / "a.lease").stat().st_mtime_ns == first and time.monotonic() < ended:
            time.sleep(0.02)
        assert (tmp_path / "a.lease").stat().st_mtime_ns > first
        assert other.owner != mine.owner
    assert list(tmp_path.iterdir()) == []


def test_a_turn_of_one_who_was_killed_is_forgotten(tmp_path: Path) -> None:
    clock = HandClock()
    assert Leases(tmp_path, seconds=60, clock=clock).take("a")
    clock.write(tmp_path / "a.lease.turn", "", new=True)
    clock.time += 61
    mine = Leases(tmp_path, seconds=60, clock=clock)
    assert not mine.take("a")
    assert mine.take("a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.lease"]


def test_a_file_that_is_only_just_written_is_somebodys(tmp_path: Path) -> None:
    (tmp_path / "a.lease").touch()
    mine = Leases(tmp_path, seconds=60)
    assert not mine.take("a")
    assert mine.running() == {"a": ""}


def test_who_may_only_read_sees_who_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Leases(tmp_path, seconds=60)
    assert mine.take("a")

    def refused(*given: object, **named: object) -> None:
        raise PermissionError

    monkeypatch.setattr(DiskClock, "write", refused)
    assert Leases(tmp_path, seconds=60).running() == {"a": mine.owner}
