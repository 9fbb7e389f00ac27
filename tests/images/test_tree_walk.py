from pathlib import Path

from segpipe.images.tree_walk import ends, inside, walk


def test_a_glob_matches_whole_names_and_links_come_last(tmp_path: Path) -> None:
    for name in ("a/x.jpg", "a/b/y.jpg", "c/z.png", ".hidden/w.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "again.jpg").symlink_to(tmp_path / "c" / "z.png")
    assert sorted(walk(tmp_path, ("**", "*"), None, (".jpg", ".png"))[0]) == ["a/b/y.jpg", "a/x.jpg", "c/z.png"]
    assert walk(tmp_path, ("*", "*.jpg"), None, (".jpg",))[0] == ["a/x.jpg", "a/again.jpg"]
    found, rejected = walk(tmp_path, ("a", "again.jpg"), None, (".jpg",))
    assert (found, rejected) == (["a/again.jpg"], [])
    assert walk(tmp_path, ("**", "*"), str(tmp_path / "a"), (".jpg", ".png"))[0] == ["c/z.png"]


def test_places_and_endings() -> None:
    assert inside("/a/b", "/a")
    assert inside("/a", "/a")
    assert not inside("/ab", "/a")
    assert not inside("/a", None)
    assert ends("A.JPG", (".jpg",))
    assert not ends("jpg", (".jpg",))
