import threading
from pathlib import Path

import pytest

from segpipe.base.errors import LockedError
from segpipe.base.files import is_beside
from segpipe.store.run_dir import Artefact, RunDir
from segpipe.store.shared_work import Round, closed_after, round_of, shared_folder


def begun(run_dir: RunDir, key: str, text: str, calls: list[str]) -> Path:
    def lay_out(folder: Path) -> None:
        calls.append(text)
        (folder / "plan").write_text(text)

    return shared_folder(run_dir, "things", key, lay_out=lay_out, laid_out=lambda folder: (folder / "plan").exists())


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "run", {"things": Artefact("make")})
    found.claim()
    return found


def names(run_dir: RunDir) -> list[str]:
    return sorted(path.name for path in run_dir.root.iterdir() if "things" in path.name or is_beside(path.name))


def test_who_comes_first_lays_out_and_others_take_it(run_dir: RunDir) -> None:
    calls = list[str]()
    folder = begun(run_dir, "k", "first", calls)
    assert begun(run_dir, "k", "second", calls) == folder
    assert calls == ["first"]
    assert (folder / ".key").read_text() == "k"
    assert names(run_dir) == ["things.partial"]


def test_of_many_at_once_one_gives_the_name(run_dir: RunDir) -> None:
    barrier, read = threading.Barrier(8), list[str]()

    def come(number: int) -> None:
        barrier.wait()
        folder = begun(run_dir, "k", str(number), [])
        read.append((folder / "plan").read_text())

    threads = [threading.Thread(target=come, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 8
    assert len(set(read)) == 1
    assert names(run_dir) == ["things.partial"]


@pytest.mark.parametrize("left", ["other key", "no key", "not laid out"])
def test_leftovers_make_room_under_the_lock(run_dir: RunDir, left: str) -> None:
    partial = run_dir.root / "things.partial"
    partial.mkdir()
    (partial / "half").touch()
    if left != "no key":
        (partial / ".key").write_text("other" if left == "other key" else "k")
    with run_dir.lock(), pytest.raises(LockedError):
        begun(run_dir, "k", "mine", [])
    folder = begun(run_dir, "k", "mine", [])
    assert (folder / "plan").read_text() == "mine"
    assert not (folder / "half").exists()
    assert names(run_dir) == ["things.partial"]


class Counted:
    """Work without rounds."""

    @property
    def units(self) -> int:
        raise AssertionError("nothing is opened to know of rounds")

    def lay_out(self) -> None: ...

    def write(self, units: range) -> None: ...

    def names(self, units: range) -> list[str]:
        return []


class InRounds(Counted):
    round = Round(2, 3, "counts")

    def close_round(self) -> None: ...


def test_work_has_one_round_unless_it_says_otherwise() -> None:
    only, second = round_of(Counted()), round_of(InRounds())
    assert (only.last, only.key("0f")) == (True, "0f")
    assert (second.last, second.key("0f"), str(second)) == (False, "0f-2", "2 of 3 (counts)")
    assert Round(3, 3).last


def test_work_is_closed_where_it_can_be() -> None:
    closed = list[str]()

    class Team:
        def close(self) -> None:
            closed.append("team")

    with closed_after(1) as number:
        assert number == 1  # nothing to close
    with closed_after(Team()):
        assert closed == []
    assert closed == ["team"]
