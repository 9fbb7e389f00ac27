from dataclasses import replace
from pathlib import Path

import pytest

from segpipe.base.errors import MachineError
from segpipe.base.geometry import Size
from segpipe.records.corpus import FrameInfo, Image, Rejected, frame_path, valid_path
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
    save_found,
    save_listing,
    unchecked,
)

PHOTO = Image("a", "a.jpg", Size(3, 4), "uint8", "0" * 64, 12, notes=("a strip",))
FRAME = replace(PHOTO, id="d.mp4/3", path="d.mp4/3.png", moment=FrameInfo("d.mp4", 3, 0.3, 0.1))
MOSAIC = replace(PHOTO, id="m", path="m.tif", mosaic=True)


def test_a_listing_is_read_back_file_by_file(tmp_path: Path) -> None:
    entries = [ListedFile(f"bad \udcff\n{n}.jpg", f"id{n}", ("x=b.tif",) if n == 2 else ()) for n in range(5)]
    listed = FileList(tmp_path, 5, (Rejected("z", "a link"),), ("2 .gif passed over",))
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
    found = [[PHOTO], [FRAME, replace(FRAME, id="d.mp4/5")], [Rejected("x", "no image")], [MOSAIC], []]
    save_found(tmp_path, range(3), found[:3])
    assert unchecked(tmp_path, range(1, 6)) == [range(3, 6)]
    save_found(tmp_path, range(3, 5), found[3:])
    assert unchecked(tmp_path, range(5)) == []
    assert load_found(tmp_path, range(5)) == found
    assert load_found(tmp_path, range(2, 4)) == found[2:4]
    assert list(found_names(tmp_path, range(2)))[1:] == []  # written as another piece
    save_found(tmp_path, range(4), found[:4])
    pictures = [frame_path(tmp_path, "d.mp4/3"), frame_path(tmp_path, "d.mp4/5"), valid_path(tmp_path, "m")]
    assert list(found_names(tmp_path, range(4)))[1:] == [path.relative_to(tmp_path).as_posix() for path in pictures]
    (tmp_path / FOLDER / "000000000-000000003.jsonl").write_text('{"found": [{}]}\n')
    with pytest.raises(MachineError, match=r"000000003.jsonl: its bytes changed on disk \(1 lines for 3 files\)"):
        load_found(tmp_path, range(2))
