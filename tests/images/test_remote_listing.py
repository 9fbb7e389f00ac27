from pathlib import Path

import pytest

from segpipe.base import object_store
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.object_store import Stored
from segpipe.base.remote_path import RemotePath
from segpipe.images.listing import list_images
from segpipe.images.remote_files import local
from segpipe.images.remote_listing import is_object, one_object, walk_objects
from tests.helpers.object_server import upload

NAMES = [
    *("a.jpg", "bay/b.PNG", "bay/deep/c.tif", "bay/deep/c.tif.aux.xml", "clip.mp4", "odd.dng", "notes.txt"),
    *(".hidden.jpg", ".folder/d.jpg", "bay/.e.jpg", "run/.segpipe", "run/masks/f.png", "ünï cöde.jpg"),
]


@pytest.fixture
def both(bucket: RemotePath, tmp_path: Path) -> tuple[Path, RemotePath]:
    """The same files in a folder and on a store."""
    for name in NAMES:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    upload(tmp_path / "photos", bucket / "photos")
    return tmp_path / "photos", bucket / "photos"


@pytest.mark.parametrize("pattern", ["", "/**/*.tif", "/bay/*", "/a.jpg", "/*.[jm]p[g4]"])
@pytest.mark.parametrize("videos", [False, True])
def test_it_lists_what_a_folder_lists(pattern: str, videos: bool, both: tuple[Path, RemotePath]) -> None:
    here, there = (list_images(f"{root}{pattern}", videos=videos) for root in both)
    assert there.paths == here.paths != ()
    assert there.rejected == here.rejected
    assert there.passed_over == here.passed_over
    assert str(there.root) == str(here.root).replace(str(both[0]), str(both[1]))
    assert [there.size(path) for path in there.paths] == [(here.root / path).stat().st_size for path in here.paths]
    assert [here.size(path) for path in here.paths] == [None] * len(here.paths)
    assert here.file(here.paths[0]) == here.root / here.paths[0]


def test_other_bytes_give_another_stamp(both: tuple[Path, RemotePath]) -> None:
    before = list_images(str(both[1])).file("a.jpg").stat()
    object_store.put(both[1] / "a.jpg", b"others")
    after = list_images(str(both[1])).file("a.jpg").stat()
    assert before.st_mtime_ns != after.st_mtime_ns


def test_a_listing_forgets_copies_of_earlier_bytes(both: tuple[Path, RemotePath]) -> None:
    path = both[1] / "a.jpg"
    with local(path):
        object_store.put(path, b"AJPG.")
    list_images(str(both[1]))
    with local(path) as file:
        assert file.read_bytes() == b"AJPG."


def test_nothing_there_is_said(both: tuple[Path, RemotePath]) -> None:
    with pytest.raises(UsageError, match=r"/none: there is no such object or folder; correct index.images"):
        list_images(str(both[1] / "none"))
    with pytest.raises(UsageError, match="a list of paths is read from this machine alone"):
        list_images(str(both[1] / "notes.txt"))
    with pytest.raises(UsageError, match="is a run or another output of segpipe"):
        list_images(str(both[1] / "run"))
    object_store.put(both[1].parent / "empty" / "readme.md", b".")
    with pytest.raises(CorpusError, match="empty holds no images"):
        list_images(str(both[1].parent / "empty"))


def test_names_that_are_no_paths_are_put_aside(bucket: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("a.jpg", "x//b.jpg", "../c.jpg", "folder/", "y//d.txt")
    monkeypatch.setattr(object_store, "walk", lambda place: iter(Stored(name, 1, "e", 0.0) for name in names))
    found = walk_objects(bucket / "photos", ("**", "*"), (".jpg",))
    assert found.names == ("a.jpg",)
    assert [each.path for each in found.rejected] == ["x//b.jpg", "../c.jpg"]
    assert "give it another name" in found.rejected[0].reason


def test_one_object_is_found_in_its_folder(both: tuple[Path, RemotePath]) -> None:
    assert is_object(both[1] / "a.jpg")
    assert not is_object(both[1])
    assert one_object(both[1] / "bay/b.PNG").names == ("b.PNG",)
