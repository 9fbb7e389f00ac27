import os
import socket
from pathlib import Path

from segpipe.store.leases import Leases
from segpipe.store.part_folder import PartFolder
from segpipe.store.part_taker import PartTaker, told_running
from tests.store.test_part_folder import record


def taker(folder: PartFolder, parts: int) -> PartTaker:
    return PartTaker(folder, Leases(folder.path, seconds=60), parts)


def test_workers_take_different_parts_until_none_is_left(tmp_path: Path) -> None:
    folder = PartFolder(tmp_path, "extract", "k")
    workers = [taker(folder, 3) for _ in range(4)]
    took = [worker.take() for worker in workers]
    assert sorted(number for number in took if number) == [1, 2, 3]
    assert took[3] is None
    assert sorted(workers[3].left) == [1, 2, 3]  # others have them, and may end
    for number in (1, 2, 3):
        folder.save(record(number))
    assert workers[3].take() is None
    assert workers[3].left == []


def test_one_that_was_dropped_is_not_taken_again(tmp_path: Path) -> None:
    worker = taker(PartFolder(tmp_path, "extract", "k"), 2)
    first = worker.take()
    assert first is not None
    worker.drop(first)
    assert worker.take() == 3 - first


def test_what_is_being_done_is_told(tmp_path: Path) -> None:
    folders = {stage: PartFolder(tmp_path, stage, "k").path for stage in ("extract", "cluster")}
    places = [(stage, Leases(folder, seconds=60)) for stage, folder in folders.items()]
    assert told_running(places) == ""
    leases = Leases(folders["cluster"], seconds=60, owner="a:1:x")
    for name, told in (("00012", "part 12 of cluster"), ("close", "a round of cluster")):
        assert leases.take(name)
        assert told_running(places) == f"{told} is being done by a:1:x"
        leases.give_back(name)
    for pid, told in (("99999999", ""), (str(os.getpid()), "part 1 of cluster is being done by ")):
        ours = Leases(folders["cluster"], seconds=60, owner=f"{socket.gethostname()}:{pid}:x")
        assert ours.take("00001")
        assert told_running(places) == (told and f"{told}{ours.owner}")  # who was killed here has ended
        ours.give_back("00001")
