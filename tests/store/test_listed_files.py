from pathlib import Path

import pytest

from segpipe.base.errors import MachineError
from segpipe.records.corpus import Rejected
from segpipe.store import listed_files
from segpipe.store.listed_files import (
    FOLDER,
    FileList,
    ListedFile,
    drop_listing,
    found_names,
    has_listing,
    load_files,
    load_found,
    load_listing,
    pieces_of,
    rejected_of,
    rejected_row,
    save_found,
    save_listing,
    unchecked,
)

A, B, C = ({"id": name, "file": f"{name}.png"} for name in "abc")
NONE = rejected_row(Rejected("x", "no image"))


def test_a_listing_is_read_back_file_by_file(tmp_path: Path) -> None:
    entries = [ListedFile(f"bad \udcff\n{n}.jpg", f"id{n}", ("x=b.tif",) if n == 2 else ()) for n in range(5)]
    listed = FileList(tmp_path, 5, (Rejected("z", "a link"),), ("2 .gif passed over",), "stamp")
    assert not has_listing(tmp_path)
    save_listing(tmp_path, listed, entries)
    assert has_listing(tmp_path)
    assert load_listing(tmp_path) == listed
    assert load_files(tmp_path, range(1, 4)) == entries[1:4]
    with pytest.raises(MachineError, match=r"files.jsonl: its bytes changed on disk \(1 lines for 3 files\)"):
        load_files(tmp_path, range(4, 7))
    (tmp_path / FOLDER / "listing.json").write_text("{}")
    with pytest.raises(MachineError, match=r"listing.json: its bytes changed"):
        load_listing(tmp_path)
    drop_listing(tmp_path)
    assert not (tmp_path / FOLDER).exists()


def test_what_was_found_is_joined_whatever_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed_files, "_TOGETHER", 4)
    assert pieces_of(range(2, 9)) == [range(2, 4), range(4, 8), range(8, 9)]
    assert pieces_of(range(3, 3)) == []
    found = [[A], [B, C], [NONE], [B], []]
    save_found(tmp_path, range(3), found[:3])
    assert unchecked(tmp_path, range(1, 6)) == [range(3, 6)]
    assert unchecked(tmp_path, range(2)) == []
    save_found(tmp_path, range(3, 5), found[3:])
    assert unchecked(tmp_path, range(5)) == []
    assert load_found(tmp_path, range(5)) == found
    assert load_found(tmp_path, range(2, 4)) == found[2:4]
    assert [rejected_of(row) for row in (A, NONE)] == [None, Rejected("x", "no image")]
    own = [f"{FOLDER}/000000000-000000003.jsonl", "a.png", "b.png", "c.png"]
    assert list(found_names(tmp_path, range(3), names)) == own
    assert list(found_names(tmp_path, range(2), names)) == [f"{FOLDER}/000000000-000000002.jsonl"]  # of another cut
    (tmp_path / FOLDER / "000000000-000000003.jsonl").write_text('{"found": []}\n')
    with pytest.raises(MachineError, match=r"000000003.jsonl: its bytes changed on disk \(1 lines for 3 files\)"):
        load_found(tmp_path, range(2))


def names(row: dict[str, str]) -> list[str]:
    return [row["file"]] if "file" in row else []
