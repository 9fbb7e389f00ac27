"""A listing on disk, and some of its files again: ids are those among all, scenes keep their files."""

from pathlib import Path

import pytest

from segpipe.base.errors import MachineError
from segpipe.base.object_store import Stored
from segpipe.base.remote_path import RemotePath
from segpipe.images.listing import BandScene, Listing
from segpipe.records.corpus import Rejected
from segpipe.stages.index.listed_work import list_out, pending_pieces, some_listed
from segpipe.store.listed_files import load_listing, save_found


def test_some_files_are_a_listing_with_the_ids_of_all(tmp_path: Path) -> None:
    scene = BandScene("dive/s", ("red=s_B04.tif", "nir=s_B08.tif"))
    paths = ("a.jpg", "a.png", "dive/s_B04.tif")
    (tmp_path / "empty").mkdir()
    whole = Listing(tmp_path, paths, (Rejected("b.jpg", "empty"),), scenes={paths[2]: scene})
    list_out(tmp_path / "out", whole, told=["3 passed over"], stamps="0f")
    listed = load_listing(tmp_path / "out")
    assert (listed.root, listed.count, listed.rejected) == (tmp_path, 3, whole.rejected)
    assert (listed.told, listed.stamps) == (("3 passed over",), "0f")
    some, ids = some_listed(tmp_path / "out", listed.root, range(1, 3))
    assert (some.root, some.paths, some.rejected) == (tmp_path, paths[1:], ())
    assert some.scenes[paths[2]].layers == scene.layers
    every, all_ids = some_listed(tmp_path / "out", listed.root, range(3))
    assert every.paths == paths
    assert ids == all_ids[1:]
    assert len(set(all_ids)) == 3
    for root in (tmp_path / "unmounted", tmp_path / "empty"):
        with pytest.raises(MachineError, match="there is nothing any more where files were listed; mount it"):
            some_listed(tmp_path / "out", root, range(3))


def test_objects_keep_what_their_store_says(tmp_path: Path) -> None:
    root, names = RemotePath("s3://reef/photos"), ("a.jpg", "b.jpg")
    objects = {name: Stored(name, 7 + i, f"etag {i}", 12.5) for i, name in enumerate(names)}
    list_out(tmp_path, Listing(root, names, (), objects=objects))
    listed = load_listing(tmp_path)
    assert isinstance(listed.root, RemotePath)
    some, _ = some_listed(tmp_path, listed.root, range(1, 2))
    assert (some.size("b.jpg"), some.size("a.jpg")) == (8, None)
    assert some.file("b.jpg").stat() == Listing(root, names, (), objects=objects).file("b.jpg").stat()


def test_what_nobody_looked_at_is_pending(tmp_path: Path) -> None:
    list_out(tmp_path, Listing(tmp_path, tuple(f"{i:04}.jpg" for i in range(1200)), ()))
    assert list(pending_pieces(tmp_path, range(1200))) == [range(500), range(500, 1000), range(1000, 1200)]
    save_found(tmp_path, range(500, 1000), [[] for _ in range(500)])
    assert list(pending_pieces(tmp_path, range(100, 1100))) == [range(100, 500), range(1000, 1100)]
