"""OUT whole or not at all."""

from contextlib import suppress
from pathlib import Path

import pytest

from segpipe.base.errors import LockedError, UsageError
from segpipe.commands.track.unfinished import unfinished
from segpipe.store.ownership import PROBED, TRACKED, claim


def write(out: Path, key: str, files: dict[str, str]) -> None:
    with unfinished(out, TRACKED, key) as home:
        for name, text in files.items():
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(text, "utf-8")


def write_half(out: Path, files: dict[str, str]) -> None:
    with suppress(ZeroDivisionError), unfinished(out, TRACKED, "a") as home:
        for name, text in files.items():
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(text, "utf-8")
        raise ZeroDivisionError


def held(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_all_of_it_appears_without_what_was_noted_by_the_way(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "a", {"masks/0.png": "0", "t.csv": "1", ".journal": "no"})
    assert held(out) == {"masks/0.png": "0", "t.csv": "1"}
    assert {path.name for path in out.iterdir()} == {"masks", "t.csv", ".segpipe"}
    assert list(tmp_path.iterdir()) == [out]


def test_nothing_appears_where_it_fails_and_the_same_key_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_half(out, {"half": "done"})
    assert not out.exists()
    with unfinished(out, TRACKED, "a") as home:
        assert (home / "half").read_text("utf-8") == "done"
    assert held(out) == {"half": "done"}


def test_another_key_begins_anew(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_half(out, {"masks/0": "old", ".state": "old"})
    with unfinished(out, TRACKED, "b") as home:
        assert not (home / "masks").exists()
        assert not (home / ".state").exists()
        (home / "t").write_text("new", "utf-8")
    assert held(out) == {"t": "new"}


def test_what_was_there_gives_way_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "a", {"masks/0.png": "0", "masks/1.png": "1", "overlay.webm": "film"})
    write(out, "b", {"masks/0.png": "2", "t.csv": "3"})
    assert held(out) == {"masks/0.png": "2", "t.csv": "3"}
    assert list(tmp_path.iterdir()) == [out]


def test_an_old_out_stays_until_the_new_one_is_done(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "a", {"t.csv": "old"})
    with pytest.raises(ZeroDivisionError), unfinished(out, TRACKED, "b"):
        raise ZeroDivisionError
    assert held(out) == {"t.csv": "old"}


def test_folders_of_others_are_not_taken(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(UsageError, match=r"holds other files \(mine\.txt\)"):
        write(out, "a", {"t": "1"})
    claim(tmp_path / "probe", PROBED, earlier=bool)
    with pytest.raises(UsageError, match="is the output of probe"):
        write(tmp_path / "probe", "a", {"t": "1"})
    (tmp_path / "new.partial").mkdir()
    (tmp_path / "new.partial" / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(UsageError, match=r"new\.partial is not the output of track"):
        write(tmp_path / "new", "a", {"t": "1"})
    assert (tmp_path / "new.partial" / "mine.txt").exists()


def test_two_at_once_are_kept_apart(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with unfinished(out, TRACKED, "a"), pytest.raises(LockedError, match="in use"):
        write(out, "a", {"t": "1"})
