import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from segpipe.commands.view.tile_cache import BoundedMap, Stripes, TileCache


def test_what_was_not_used_for_longest_is_given_up() -> None:
    kept = BoundedMap[str](10)
    assert kept.put("a", "A", 4)
    assert kept.put("b", "B", 4)
    assert kept.get("a") == "A"
    assert kept.put("c", "C", 4)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == ("A", None, "C")
    assert not kept.put("d", "D", 11)
    assert kept.held == 8
    kept.put("a", "AA", 6)
    assert kept.held == 10


def test_pictures_come_back_from_memory_and_from_disk(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, memory=5, disk=100)
    cache.put("a", b"aaaa")
    cache.put("b", b"bbbb")  # takes the place of the other in memory
    assert cache.get("a") == b"aaaa"
    assert cache.get("none") is None


def test_the_folder_is_bounded(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, memory=0, disk=100)
    for i in range(30):
        cache.put(i, bytes(10))
    held = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert held == cache.on_disk == 100
    assert cache.get(0) is None
    assert cache.get(29) == bytes(10)


def test_a_file_that_somebody_deleted_is_made_again(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, memory=0, disk=100)
    cache.put("a", b"old")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.unlink()
    assert cache.get_or_make("a", lambda: b"new") == b"new"


def test_several_threads_make_a_picture_once(tmp_path: Path) -> None:
    cache, made = TileCache(tmp_path, memory=100, disk=100), list[int]()
    begin = threading.Barrier(4)

    def make() -> bytes:
        made.append(1)
        return b"x"

    def ask(_: int) -> bytes:
        begin.wait()
        return cache.get_or_make("key", make)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {b"x"}
    assert made == [1]
    stripes = Stripes()
    assert stripes("key") is stripes("key")
