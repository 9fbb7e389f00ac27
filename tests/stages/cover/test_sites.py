"""Tables that name images and their site."""

from pathlib import Path

import pytest

from segpipe.base.csv_files import csv_text
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Size
from segpipe.records.corpus import Image
from segpipe.stages.cover.sites import read_sites

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
