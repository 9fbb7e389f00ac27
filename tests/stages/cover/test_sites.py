"""Tables that name images and their site."""

from dataclasses import replace
from pathlib import Path

import pytest

from segpipe.base.csv_files import csv_text
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Size
from segpipe.records.corpus import FrameInfo, Image
from segpipe.stages.cover.sites import read_sites, sites_by_pattern

IMAGES = [Image(name, f"{name}.jpg", Size(8, 8), "uint8", "0" * 64, 9) for name in ("a/one", "a/two", "b/one")]

LONG = "x" * 100_000


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sites.csv"
    path.write_text(text, "utf-8")
    return path


def test_sites_and_ground_are_read(tmp_path: Path) -> None:
    path = table(tmp_path, "Image;Depth;Site;GSD\na/one.jpg;10;North;0.001\ntwo;12;South;\nelsewhere;1;South;0.1\n")
    found = read_sites(path, IMAGES, by="")
    assert found.by == "Site"
    assert found.sites == {0: "North", 1: "South"}
    assert found.gsd == {0: 0.001}
    assert found.unmatched == ("elsewhere",)
    assert read_sites(path, IMAGES, by="depth").sites == {0: "10", 1: "12"}
    by_folder = read_sites(path, IMAGES, by=None)
    assert (by_folder.by, by_folder.gsd) == ("", {0: 0.001})


def test_the_only_other_column_needs_no_name(tmp_path: Path) -> None:
    assert read_sites(table(tmp_path, "file,block\nb/one,x\n"), IMAGES, by="").sites == {2: "x"}


@pytest.mark.parametrize(
    ("text", "by", "error", "message"),
    [
        ("site\nx\n", "", UsageError, r"sites.csv:1: no column for 'image' among site"),
        ("image,aa,bb\nx,1,2\n", "", UsageError, r"which column says the site\? give cover.by, one of aa, bb"),
        ("image,site\na/one,x\n", "sit", UsageError, r"cover.by=sit: there is no such column; did you mean 'site'"),
        ("image,site\none,x\n", "", UsageError, r"sites.csv:2: 'one' fits 2 images, such as a/one.jpg and b/one.jpg"),
        ("image,site\na/one,x\na/one,y\n", "", UsageError, r"sites.csv:3: .* 'y' here and to 'x' on line 2"),
        ("image,site,gsd\na/one,x,-1\n", "", UsageError, r"sites.csv:2: gsd '-1' is no length"),
        ("image,site\nq,x\n", "", CorpusError, r"no row of .* belongs to an image: 'q' is not in the corpus"),
        ("image,site\na/one\n", "", UsageError, r"sites.csv:2: 1 fields where the header has 2"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, by: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_sites(table(tmp_path, text), IMAGES, by=by)


def test_names_that_are_no_formulas_any_more_are_those_of_the_images(tmp_path: Path) -> None:
    images = [Image(name, f"{name}.jpg", Size(8, 8), "uint8", "0" * 64, 9) for name in ("=1+1", "-a", "@b/c")]
    text = csv_text(["image", "site"], [[image.path, f"+{i}m"] for i, image in enumerate(images)])
    assert "'=1+1.jpg,'+0m\n" in text
    assert read_sites(table(tmp_path, text), images, by="").sites == {0: "+0m", 1: "+1m", 2: "+2m"}


@pytest.mark.parametrize("text", [f"{LONG}\n", f"image,site\n{LONG},x\n", f"image,site,gsd\na/one,x,{LONG}\n"])
def test_a_long_value_makes_no_long_message(tmp_path: Path, text: str) -> None:
    with pytest.raises((UsageError, CorpusError)) as told:
        read_sites(table(tmp_path, text), IMAGES, by="")
    assert len(str(told.value).replace(str(tmp_path), "")) <= 300


def named(*paths: str) -> list[Image]:
    return [Image(path.rsplit(".", 1)[0], path, Size(8, 8), "uint8", "0" * 64, 9) for path in paths]


DIVES = named("2019/D12_001.jpg", "D3_T2_002.JPG", "2020/D12_T1_7.jpg", "wreck.jpg")


@pytest.mark.parametrize(
    ("pattern", "by", "sites"),
    [
        (r"(?P<dive>D\d+)_", "dive", {0: "D12", 1: "D3", 2: "D12"}),
        (r"(?P<dive>D\d+)_(?P<line>T\d)?", "dive, line", {0: "D12", 1: "D3 T2", 2: "D12 T1"}),
        (r"D(\d+)", "site", {0: "12", 1: "3", 2: "12"}),
        (r"D\d+", "site", {0: "D12", 1: "D3", 2: "D12"}),
        (r"(x)(?P<dive>D3)|(?P<wreck>wreck)", "dive, wreck", {3: "wreck"}),
        (r"20\d\d", "site", None),  # folders are no part of the name
        (r"(D\d+", "", None),
        (r"(?P<none>)", "", None),
    ],
)
def test_sites_by_a_pattern(pattern: str, by: str, sites: dict[int, str] | None) -> None:
    if sites is None:
        why = "not a regular expression" if pattern.startswith("(D") else "in no name of an image"
        with pytest.raises(UsageError, match=why):
            sites_by_pattern(pattern, DIVES)
        return
    found = sites_by_pattern(pattern, DIVES)
    assert (found.by, found.sites) == (by, sites)
    assert len(found.unmatched) == len(DIVES) - len(sites)


def test_the_site_of_a_frame_is_in_the_name_of_its_video() -> None:
    frame = Image("a/D7.mp4/000001", "a/D7.mp4/000001.png", Size(8, 8), "uint8", "", 9)
    frame = replace(frame, moment=FrameInfo("a/D7.mp4", 1, 0.1, 0.1))
    assert sites_by_pattern(r"D\d", [frame]).sites == {0: "D7"}


def test_sites_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path, "image,site\na/one,North\na/two,north\n")
    with pytest.raises(UsageError, match=r"sites\.csv:3: sites 'north' and 'North' differ in case or spaces alone"):
        read_sites(path, IMAGES, by="")
