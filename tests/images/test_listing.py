import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.files import OUTPUT_MARKER
from segpipe.images import heic
from segpipe.images.listing import list_images, make_ids


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def reasons(listing) -> dict[str, str]:
    return {item.path: item.reason for item in listing.rejected}


# --- folders --------------------------------------------------------------------------------------------------------


def test_folder_is_searched_with_subfolders_any_case_and_without_hidden(tmp_path):
    wanted = ["B.JPG", "a/b/c.jpeg", "a/x.PNG", "d.tif", "e.TiFf", "f.webp", "g.bmp", "z z/é ü.jpg"]
    touch(tmp_path, *wanted, "notes.txt", "a/b/c.gif", ".hidden/a.jpg", ".b.jpg", "a/.c.png", "jpg")
    listing = list_images(str(tmp_path))
    assert list(listing.paths) == sorted(wanted)
    assert listing.root == tmp_path
    assert listing.rejected == ()


def test_names_of_any_bytes(tmp_path):
    names = [b"new\nline.jpg", "\u2028 é.jpg".encode(), b"bad \xff\xfe.png", b"quote'\";$.jpg", b" .jpg", b"%00\t.jpg"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    assert {os.fsencode(path) for path in list_images(str(tmp_path)).paths} == set(names)


def test_relative_and_home_paths(tmp_path, monkeypatch):
    touch(tmp_path, "photos/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert list_images("photos").root == tmp_path / "photos"
    assert list_images("./photos/../photos").root == tmp_path / "photos"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list_images("~/photos").root == tmp_path / "photos"


def test_run_directories_inside_the_folder_are_not_photographs(tmp_path):
    touch(
        tmp_path, "a.jpg", "runs/now/masks/a.png", "runs/old/masks/a.png", "runs/old/config.yaml", "other/config.yaml"
    )
    touch(tmp_path, "runs/old/corpus/corpus.jsonl", "other/b.jpg", "runs/c.jpg")
    assert list_images(str(tmp_path), skip=tmp_path / "runs" / "now").paths == ("a.jpg", "other/b.jpg", "runs/c.jpg")
    assert list_images(f"{tmp_path}/**", skip=tmp_path / "runs" / "now").paths == ("a.jpg", "other/b.jpg", "runs/c.jpg")


def test_links_loops_and_what_leads_outside(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    touch(root, "a/b/one.jpg", "two.jpg", ".store/three.jpg", ".store/deep/four.jpg")
    touch(elsewhere, "five.jpg", "sub/six.jpg")
    (root / "a" / "b" / "loop").symlink_to(root)
    (root / "a" / "self").symlink_to(root / "a" / "self")
    (root / "0 copy.jpg").symlink_to(root / "a" / "b" / "one.jpg")
    (root / "three.jpg").symlink_to(root / ".store" / "three.jpg")
    (root / "deep").symlink_to(root / ".store" / "deep")
    (root / "deeper").symlink_to(root / ".store" / "deep")
    (root / "five.jpg").symlink_to(elsewhere / "five.jpg")
    (root / "out").symlink_to(elsewhere / "sub")
    (root / "broken.jpg").symlink_to(root / "nowhere.jpg")
    (root / "broken.doc").symlink_to(root / "nowhere.doc")
    listing = list_images(str(root))
    assert listing.paths == ("a/b/one.jpg", "deep/four.jpg", "three.jpg", "two.jpg")
    found = reasons(listing)
    assert set(found) == {"broken.jpg", "five.jpg", "out"}
    assert "leads outside" in found["out"]
    assert "leads outside" in found["five.jpg"]
    assert "no file" in found["broken.jpg"]
    (tmp_path / "door").symlink_to(root)
    through = list_images(str(tmp_path / "door"))
    assert (through.root, through.paths) == (tmp_path / "door", listing.paths)


def test_many_links_to_each_other_end(tmp_path):
    for i in range(12):
        touch(tmp_path, f"d{i}/a.jpg")
        for j in range(12):
            (tmp_path / f"d{i}" / f"to{j}").symlink_to(tmp_path / f"d{j}")
    expected = tuple(sorted(f"d{i}/a.jpg" for i in range(12)))
    assert list_images(str(tmp_path)).paths == expected
    assert list_images(f"{tmp_path}/**/*.jpg").paths == expected


def test_a_pipe_is_put_aside_and_not_opened(tmp_path):
    touch(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reasons(list_images(str(tmp_path))) == {"pipe.jpg": "not a regular file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_put_aside(tmp_path):
    touch(tmp_path, "a.jpg", "closed/b.jpg")
    (tmp_path / "closed").chmod(0)
    try:
        assert "cannot be read" in reasons(list_images(str(tmp_path)))["closed"]
    finally:
        (tmp_path / "closed").chmod(0o700)


# --- single files, globs and lists ----------------------------------------------------------------------------------


def test_single_file(tmp_path):
    touch(tmp_path, "a b.JPG", "c.jpg")
    listing = list_images(str(tmp_path / "a b.JPG"))
    assert (listing.root, listing.paths) == (tmp_path, ("a b.JPG",))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg"]),
        ("**/*.jpg", ["a.jpg", "x/b.jpg", "x/y/c.jpg", "z/b.jpg"]),
        ("**", ["a.jpg", "x/b.jpg", "x/y/c.jpg", "x/y/d.png", "z/b.jpg"]),
        ("*/b.jpg", ["x/b.jpg", "z/b.jpg"]),
        ("x/**/*.*g", ["b.jpg", "y/c.jpg", "y/d.png"]),
        ("?/*.jpg", ["x/b.jpg", "z/b.jpg"]),
        ("[xy]/**/?.jpg", ["x/b.jpg", "x/y/c.jpg"]),
        ("**/y/*", ["x/y/c.jpg", "x/y/d.png"]),
    ],
)
def test_glob(tmp_path, pattern, expected):
    touch(tmp_path, "a.jpg", "x/b.jpg", "x/y/c.jpg", "x/y/d.png", "z/b.jpg", ".h/e.jpg")
    listing = list_images(f"{tmp_path}/{pattern}")
    assert listing.root == (tmp_path / "x" if pattern.startswith("x/") else tmp_path)
    assert list(listing.paths) == expected
    # the standard library's answer; it names hidden files never, folders sometimes
    found = {str(path.relative_to(listing.root)) for path in tmp_path.glob(pattern) if path.is_file()}
    if pattern != "**":  # there pathlib names folders only
        assert {name for name in found if not name.startswith(".")} == set(expected)


def test_glob_puts_other_endings_aside(tmp_path):
    touch(tmp_path, "a.jpg", "b.pdf", "c")
    assert set(reasons(list_images(f"{tmp_path}/*"))) == {"b.pdf", "c"}


def test_a_name_with_wildcards_in_it_is_taken_at_its_word(tmp_path):
    touch(tmp_path, "trip [2020]/a.jpg", "trip 2/b.jpg")
    assert list_images(str(tmp_path / "trip [2020]")).paths == ("a.jpg",)


def test_list_of_paths(tmp_path):
    touch(tmp_path, "in/a.jpg", "in/sub/b.png", "far/c é.jpg", "in/d.pdf", "in/bad \udcff.jpg", "in/ space.jpg")
    lines = ["in/a.jpg", "./in/sub/../sub/b.png", "", str(tmp_path / "far" / "c é.jpg"), "in/a.jpg", "gone.jpg", "in",
             "in/d.pdf", "in/bad \udcff.jpg", "  in/ space.jpg  "]  # fmt: skip
    text = b"\xef\xbb\xbf" + "\r\n".join(lines).encode("utf-8", "surrogateescape")
    (tmp_path / "list.txt").write_bytes(text)
    listing = list_images(str(tmp_path / "list.txt"))
    assert listing.root == tmp_path
    assert listing.paths == ("far/c é.jpg", "in/ space.jpg", "in/a.jpg", "in/bad \udcff.jpg", "in/sub/b.png")
    found = reasons(listing)
    assert set(found) == {"gone.jpg", "in", "in/d.pdf"}
    assert found["gone.jpg"] == "there is no such file"

    (tmp_path / "list.lst").write_text("in/a.jpg\nin/sub/b.png\n")
    listing = list_images(str(tmp_path / "list.lst"), skip=tmp_path / "in" / "sub")
    assert (listing.root, listing.paths) == (tmp_path / "in", ("a.jpg",))
    assert reasons(listing) == {"sub/b.png": "lies inside the run directory"}


def test_a_list_without_end_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "list.txt").open("wb") as file:
        file.truncate(1 << 40)  # takes no room on disk
    with pytest.raises(UsageError, match=r"list\.txt: larger than 256 MiB, so it is no list of images"):
        list_images(str(tmp_path / "list.txt"))


def test_what_cannot_be_listed(tmp_path):
    touch(tmp_path, "a.pdf", "empty/readme.md")
    (tmp_path / "only.txt").write_text("gone.jpg\n")
    for images, error, text in [
        ("", UsageError, "index.images is not set"),
        (f"{tmp_path}/nothing", UsageError, "no such file or folder"),
        (f"{tmp_path}/no/*.jpg", UsageError, "no folder"),
        (f"{tmp_path}/*.jpg", UsageError, "matches no file"),
        (f"{tmp_path}/a.pdf", UsageError, "no folder, no image"),
        (f"{tmp_path}/empty", CorpusError, "holds no images"),
        (f"{tmp_path}/*.pdf", CorpusError, "the ending is none of"),
        (f"{tmp_path}/only.txt", CorpusError, "gone.jpg: there is no such file"),
    ]:
        with pytest.raises(error, match=re.escape(text)) as caught:
            list_images(images)
        assert images in str(caught.value)
        assert "\n" not in str(caught.value)


# --- ids ------------------------------------------------------------------------------------------------------------


def same(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["a.jpg", "b/a.jpg"], ["a", "b/a"]),
        (["a.jpg", "a.png"], ["a.jpg", "a.png"]),
        (["a.jpg", "A.png"], ["a.jpg", "A.png"]),
        (["a.jpg", "A.jpg"], ["a.jpg", "A.jpg~2"]),
        (["a.jpg", "a.png", "a.png.tif"], ["a.jpg", "a.png", "a.png.tif"]),
        (["x.y.z.jpg"], ["x.y.z"]),
        (["é.jpg", "e\u0301.jpg"], ["é.jpg", "e\u0301.jpg~2"]),
        (["a.jpg", "a.png/b.jpg"], ["a.jpg", "a.png/b"]),
        (["a.jpg", "A.jpg", "a.jpg~2.tif"], ["a.jpg", "A.jpg~3", "a.jpg~2"]),
        (["a.jpg", "a.mp4", "a.mp4.png", "b/a.MOV"], ["a", "a.mp4", "a.mp4", "b/a.MOV"]),
        (["A.mp4", "a.mp4", "a.mp4~2/x.png"], ["A.mp4", "a.mp4~3", "a.mp4~2/x"]),
        (["A.mp4/x.png", "a.mp4"], ["A.mp4/x", "a.mp4~2"]),
    ],
)
def test_ids(paths, ids):
    assert make_ids(paths) == ids


NAMES = st.lists(
    st.sampled_from(["a", "A", ".", "b", "é", "e\u0301", "~2", "ß", "ss", " "]), min_size=1, max_size=4
).map("".join)
PATHS = st.builds(
    lambda folders, name, ending: "/".join([*folders, name + ending]),
    st.lists(st.sampled_from(["a", "A", "a.png", "a.jpg", "b"]), max_size=2),
    NAMES.filter(lambda name: name.strip(".")),
    st.sampled_from([".jpg", ".png", ".JPG", ".tif"]),
)


@given(st.lists(PATHS, unique=True, max_size=12))
@example(["a.jpg", "a.jpg.png", "a.jpg.png.tif", "a.png", "A.JPG"])
def test_ids_are_unique_everywhere_and_begin_with_the_stem(paths):
    ids = make_ids(paths)
    masks = [same(f"{id_}.png") for id_ in ids]
    folders = {same("/".join(path.split("/")[:n])) for path in paths for n in range(1, path.count("/") + 1)}
    assert len(set(masks)) == len(paths)
    assert not folders & set(masks)
    for path, id_ in zip(paths, ids, strict=True):
        assert id_.startswith(path[: path.rindex(".")])
        assert id_.rpartition("/")[0] == path.rpartition("/")[0]
    stems = [path[: path.rindex(".")] for path in paths]
    others = {same(path) for path in paths} | {folder[: -len(".png")] for folder in folders if folder.endswith(".png")}
    for stem, id_ in zip(stems, ids, strict=True):
        if same(stem) not in others and sum(same(other) == same(stem) for other in stems) == 1:
            assert id_ == stem


def test_images_inside_the_run_directory_are_meant_when_named(tmp_path: Path) -> None:
    images = tmp_path / "run" / "reef" / "images"
    images.mkdir(parents=True)
    (images / "a.png").touch()
    assert list_images(str(images), skip=tmp_path / "run").paths == ("a.png",)


def test_a_folder_of_other_pictures_alone_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(heic, "installed", lambda: False)
    touch(tmp_path, "a.HEIC", "b.heic", "c.gif", "d.csv")
    with pytest.raises(CorpusError, match=r"holds no images .*1 \.gif, 2 \.heic passed over"):
        list_images(str(tmp_path))
    touch(tmp_path, "e.jpg", "f.flv")
    assert list_images(str(tmp_path)).passed_over == {".heic": 2, ".gif": 1}
    touch(tmp_path, "g.ts", "h.jfif")
    listing = list_images(str(tmp_path), videos=True)
    assert listing.passed_over == {".heic": 2, ".gif": 1, ".flv": 1}
    assert listing.paths == ("e.jpg", "g.ts", "h.jfif")


@pytest.mark.parametrize("kind", ["marker", "earlier version"])
@pytest.mark.parametrize("pattern", ["", "*.png", "**/*.png"])
def test_what_segpipe_made_is_no_folder_of_photographs(tmp_path: Path, kind: str, pattern: str) -> None:
    """The fault: 6 images became 31 where the run was the folder of the images."""
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "a.png").touch()
    if kind == "marker":
        (folder / OUTPUT_MARKER).touch()
    else:
        (folder / "config.yaml").touch()
        (folder / "corpus").mkdir()
        (folder / "corpus" / "corpus.jsonl").touch()
    with pytest.raises(UsageError, match=f"{folder} is a run or another output of segpipe.*name the folder of your"):
        list_images(str(folder / pattern))


def test_brackets_in_the_name_of_a_folder_are_no_wildcards(tmp_path: Path) -> None:
    for folder in ("dives [2020]", "dives 2", "bay"):
        (tmp_path / folder / "a [1]").mkdir(parents=True)
        (tmp_path / folder / "1.jpg").touch()
        (tmp_path / folder / "a [1]" / "2.jpg").touch()
    found = list_images(str(tmp_path / "dives [2020]" / "*.jpg"))
    assert (found.root, found.paths) == (tmp_path / "dives [2020]", ("1.jpg",))
    assert list_images(str(tmp_path / "dives [2020]" / "a [1]" / "*.jpg")).paths == ("2.jpg",)
    assert list_images(str(tmp_path / "dives [123]" / "*.jpg")).paths == ("dives 2/1.jpg",)
    with pytest.raises(
        UsageError, match=r"matches no file in .*; \[...\] stands for one of the letters in it, \[\[\] for"
    ):
        list_images(str(tmp_path / "*" / "a [1]" / "*.jpg"))
    assert len(list_images(str(tmp_path / "*" / "a [[]1]" / "*.jpg")).paths) == 3
