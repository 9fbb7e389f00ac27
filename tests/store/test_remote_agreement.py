from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.remote_path import RemotePath
from segpipe.store.remote_agreement import RemoteAgreement
from segpipe.store.run_dir import KEY
from tests.helpers.object_server import keys


def agreement(place: RemotePath, home: Path) -> RemoteAgreement:
    """Of a machine with a folder of its own."""
    return RemoteAgreement(place, home / "parts", home / "made.partial", "k")


def begin(place: RemotePath, home: Path, text: str) -> Path:
    """Lay the artefact out on this machine, as all do."""
    out = home / "made.partial"

    def lay_out(folder: Path) -> None:
        (folder / ".units").mkdir()
        (folder / ".units" / "agreed").write_text(text)

    agree = agreement(place, home).made(lay_out)
    if not out.exists():
        out.mkdir(parents=True)
        agree(out)
        (out / KEY).write_text("k")
    agreement(place, home).follow_rounds()
    return out


def close(place: RemotePath, home: Path, number: int, text: str) -> str:
    """Close a round on this machine; what it has left then."""
    path = home / "made.partial" / ".units" / f"centers-{number}"
    path.write_text(text)
    agreement(place, home).close(number, [f".units/centers-{number}"])
    return path.read_text()


def files_of(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((out / ".units").iterdir())}


def test_all_machines_agree_with_the_first(bucket: RemotePath, tmp_path: Path) -> None:
    one = begin(bucket / "run", tmp_path / "one", "first")
    plain = tmp_path / "two" / "made.partial"
    plain.mkdir(parents=True)
    (plain / "begun").write_text("by itself")
    two = begin(bucket / "run", tmp_path / "two", "second")
    assert not (two / "begun").exists()
    assert files_of(one) == files_of(two) == {"agreed": "first"}


def test_of_two_at_once_one_lays_out(bucket: RemotePath, tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        begin(bucket / "run", tmp_path / "two", "faster")
        (folder / ".units").mkdir()
        (folder / ".units" / "agreed").write_text("slower")

    own = tmp_path / "one" / "made.partial"
    own.mkdir(parents=True)
    (tmp_path / "one" / "aside").mkdir()
    agreement(bucket / "run", tmp_path / "one" / "aside").made(slow)(own)
    assert files_of(own) == {"agreed": "faster"}


def test_a_round_is_closed_once_and_for_all(bucket: RemotePath, tmp_path: Path) -> None:
    place, homes = bucket / "run", [tmp_path / name for name in ("one", "two", "three")]
    for home in homes[:2]:
        begin(place, home, "first")
    assert close(place, homes[0], 1, "of one") == "of one"
    assert close(place, homes[1], 1, "of two, too late") == "of one"
    assert close(place, homes[1], 2, "after it") == "after it"
    assert keys(place) == ["closed-1.tar", "closed-2.tar", "layout.tar"]
    assert agreement(place, homes[0]).closed() == [1, 2]
    everything = {"agreed": "first", "centers-1": "of one", "centers-2": "after it"}
    assert [files_of(begin(place, home, "late")) for home in homes] == [everything] * 3


def test_what_follows_from_a_round_that_others_closed_otherwise_is_deleted(bucket: RemotePath, tmp_path: Path) -> None:
    place, homes = bucket / "run", [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        begin(place, home, "first")
    mine = homes[0] / "made.partial"
    (mine / ".units" / "centers-1").write_text("mine, never told")
    (mine / ".units" / "counts-2").write_text("of these")
    close(place, homes[1], 1, "theirs")
    assert agreement(place, homes[0]).follow()
    assert files_of(mine) == {"agreed": "first", "centers-1": "theirs"}


def test_what_is_agreed_on_is_followed_and_looked_at(bucket: RemotePath, tmp_path: Path) -> None:
    place, looked = bucket / "run", tmp_path / "looked"
    assert not agreement(place, tmp_path / "one").follow()
    assert agreement(place, tmp_path / "one").look(looked) == ""
    begin(place, tmp_path / "one", "first")
    close(place, tmp_path / "one", 1, "closed")
    assert agreement(place, tmp_path / "two").follow()
    out = tmp_path / "two" / "made.partial"
    assert files_of(out) == {"agreed": "first", "centers-1": "closed"}
    assert (out / KEY).read_text() == "k"
    (out / "own").write_text("a part")
    assert agreement(place, tmp_path / "two").follow()
    assert (out / "own").exists()
    assert agreement(place, tmp_path / "three").look(looked) == object_store.head(place / "layout.tar").etag
    assert files_of(looked) == files_of(out)
    assert not (tmp_path / "three").exists()


def test_a_layout_that_was_deleted_there_is_no_agreement(bucket: RemotePath, tmp_path: Path) -> None:
    place, home = bucket / "run", tmp_path / "one"
    begin(place, home, "first")
    object_store.delete(place, ["layout.tar"])
    assert files_of(begin(place, home, "anew")) == {"agreed": "anew"}
    with pytest.raises(FileNotFoundError):
        object_store.head(place / "closed-1.tar")
