from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.errors import LockedError, MachineError, UsageError
from segpipe.base.remote_path import RemotePath
from segpipe.store.remote_run import RemoteRun
from segpipe.store.run_copy import HEAD
from tests.helpers.object_server import keys
from tests.helpers.stored_run import MAKERS, finish, machine, open_there


class Killed(BaseException):
    """What ends a process."""


def test_what_one_machine_finishes_another_sees(bucket: RemotePath, tmp_path: Path) -> None:
    url = bucket / "run"
    with machine(tmp_path, "one"):
        run_dir = open_there(url)
        assert run_dir.place == url
        with run_dir.lock():
            (run_dir.root / "config.yaml").write_text("a: 1")
            finish(run_dir, "corpus", "text")
    with machine(tmp_path, "two"):
        other = open_there(url)
        assert other.root != run_dir.root
        assert other.has("corpus")
        assert not other.has("features")
        assert not (other.root / "corpus").exists()
        assert (other.path("corpus") / "made.txt").read_text() == "text"
        assert other.file("corpus", "pictures/a.png") is not None
        with other.lock():
            finish(other, "corpus", "new text")
            finish(other, "features", "vectors")
    with machine(tmp_path, "one"):
        again = open_there(url)
        assert (again.path("corpus") / "made.txt").read_text() == "new text"
        assert (again.root / "config.yaml").read_text() == "a: 1"
    assert keys(url).count(HEAD) == 1
    assert ".lock" not in keys(url)


def test_killed_while_it_writes_the_old_run_stands_and_the_same_command_goes_on(
    bucket: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, put = bucket / "run", object_store.put
    with machine(tmp_path, "one"):
        run_dir = open_there(url)
        with run_dir.lock():
            finish(run_dir, "corpus", "old")

        def dying(path: RemotePath, content: bytes | Path, **options: object) -> str:
            if path.name == "a.png" or "new" in killed:
                killed.append("new")
                raise Killed
            return put(path, content, **options)  # type: ignore[arg-type]

        killed = list[str]()
        monkeypatch.setattr(object_store, "put", dying)
        with pytest.raises(Killed), run_dir.lock():
            finish(run_dir, "corpus", "new")
        monkeypatch.setattr(object_store, "put", put)
    with machine(tmp_path, "two"):
        assert (open_there(url).path("corpus") / "made.txt").read_text() == "old"
    versions = object_store.names(url / "corpus")
    assert len(versions) == 2  # the new one is half there
    with machine(tmp_path, "one"):
        again = open_there(url)
        assert (again.path("corpus") / "made.txt").read_text() == "new"  # nothing is done twice
        with again.lock():
            pass
    with machine(tmp_path, "two"):
        assert (open_there(url).path("corpus") / "made.txt").read_text() == "new"
        with open_there(url).lock():
            pass
    assert len(object_store.names(url / "corpus")) == 1


def test_what_parts_left_is_deleted_where_their_stage_is_closed_or_begun_otherwise(
    bucket: RemotePath, tmp_path: Path
) -> None:
    url, left = bucket / "run", ("features/old.partial/a", "parts/extract/old/layout.tar", "parts/extract/old-2/1.json")
    mine = ("features/k.partial/a", "parts/extract/k/layout.tar", "parts/extract/k-2/1.json", "corpus/k.partial/a")

    def write(names: tuple[str, ...]) -> None:
        for name in names:
            object_store.put(url / name, b".")

    def partial() -> list[str]:
        return [name for name in keys(url) if ".partial" in name or name.startswith("parts/")]

    write((*left, *mine))
    run_dir = open_there(url)
    with run_dir.lock():
        assert partial() == sorted((*left, *mine))  # others may be at any of them
        run_dir.prepare("features", "k")
        assert partial() == sorted(mine)
    with run_dir.lock():
        finish(run_dir, "features", "vectors")
    write(left)
    with run_dir.lock():
        assert partial() == sorted((*left, "corpus/k.partial/a"))
        run_dir.drop_attempt("features", whole=True)  # the stage is up to date
        assert partial() == ["corpus/k.partial/a"]


def test_two_commands_cannot_hold_it(bucket: RemotePath, tmp_path: Path) -> None:
    url = bucket / "run"
    with machine(tmp_path, "one"), open_there(url).lock():
        with machine(tmp_path, "two"):
            other = open_there(url)
        with pytest.raises(LockedError, match=rf"{url} is in use by process"):
            other.lock().__enter__()


def test_a_run_that_another_changed_meanwhile_is_not_overwritten(bucket: RemotePath, tmp_path: Path) -> None:
    url = bucket / "run"
    with machine(tmp_path, "one"):
        mine = open_there(url)
        held = mine.lock()
        held.__enter__()
        object_store.put(url / HEAD, b'{"format": 1}')
        (mine.root / "config.yaml").write_text("a: 1")
        with pytest.raises(LockedError, match="another command changed the run meanwhile"):
            held.__exit__(None, None, None)
    assert object_store.read(url / HEAD)[0] == b'{"format": 1}'


def test_a_place_that_holds_other_things_is_refused(bucket: RemotePath) -> None:
    object_store.put(bucket / "photos/a.jpg", b".")
    with pytest.raises(UsageError, match=r"/photos is no run of segpipe and holds other objects \(a.jpg\)"):
        open_there(bucket / "photos").lock().__enter__()
    assert keys(bucket) == ["photos/a.jpg"]


def test_damage_on_the_store_is_noticed(bucket: RemotePath, tmp_path: Path) -> None:
    url = bucket / "run"
    with machine(tmp_path, "one"):
        run_dir = open_there(url)
        with run_dir.lock():
            finish(run_dir, "corpus", "text")
    place = url / "corpus" / object_store.names(url / "corpus")[0]
    object_store.put(place / "made.txt", b"TEXT")
    with machine(tmp_path, "two"), pytest.raises(MachineError, match="its bytes changed on disk"):
        open_there(url).path("corpus")
    object_store.delete(place, [each.name for each in object_store.walk(place)])
    with machine(tmp_path, "three"), pytest.raises(MachineError, match="is gone, which the run names"):
        open_there(url).path("corpus")


def test_a_command_on_this_machine_is_not_disturbed(bucket: RemotePath) -> None:
    run_dir = open_there(bucket / "run")
    with run_dir.lock():
        (run_dir.root / "config.yaml").write_text("being worked on")
        RemoteRun(bucket / "run", MAKERS).refresh()
        assert (run_dir.root / "config.yaml").read_text() == "being worked on"
