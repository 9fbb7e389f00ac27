import unicodedata

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Size
from segpipe.images.id_lookup import ImageNames
from segpipe.records.corpus import Image


def image(path: str, name: str | None = None) -> Image:
    return Image(name or path.rsplit(".", 1)[0], path, Size(4, 6), "uint8", "", 1)


IMAGES = [
    image("a.jpg"),
    image("dive 1/001.jpg"),
    image("dive 2/001.jpg"),
    image("dive 2/002.PNG"),
    image("twin.jpg", "twin.jpg"),
    image("twin.tif", "twin.tif"),
    image("site.12.png"),
    image("deep/Tauchgang/grün.jpg"),
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a", [0]),
        ("a.jpg", [0]),
        ("a.JPEG", [0]),  # another ending of the same name
        ("./a.jpg", [0]),
        ("dive 1/001", [1]),
        ("dive 2\\001.jpg", [2]),
        ("001", [1, 2]),
        ("001.jpg", [1, 2]),
        ("002", [3]),
        ("002.png", [3]),
        ("twin.jpg", [4]),
        ("twin.tif", [5]),
        ("twin", [4, 5]),
        ("site.12", [6]),
        ("site.12.png", [6]),
        ("site", []),
        ("Tauchgang/grün", [7]),
        (unicodedata.normalize("NFD", "grün.jpg"), [7]),
        ("dive 3/002", []),  # another folder is another image
        ("A.JPG", [0]),  # cameras and other programs write names in capitals
        ("DIVE 2/002.png", [3]),
        ("GRÜN", [7]),
        ("C:\\Users\\anna\\dive 2\\002.PNG", [3]),  # of another machine
        ("/home/anna/photos/dive 2/001.jpg", [2]),
        ("/home/anna/001.jpg", [1, 2]),
        ("https://example.org/reef/a.jpg", [0]),
        ("/home/anna/b.jpg", []),
        ("01", []),
        ("", []),
    ],
)
def test_names_mean_images(name, found):
    assert ImageNames(IMAGES).find(name) == found


def test_of_names_that_differ_in_case_alone_each_is_found_by_its_own_spelling():
    names = ImageNames([image("p0.jpg"), image("P0.JPG", "P0.JPG"), image("p1.jpg")])
    assert (names.find("p0.jpg"), names.find("P0.JPG"), names.find("P1.JPG")) == ([0], [1], [2])
    assert names.find("P0.Jpg") == [1]  # its stem is spelled so


def test_an_exact_path_comes_before_the_end_of_another():
    names = ImageNames([image("x/a.jpg"), image("a.jpg")])
    assert names.find("a") == [1]
    assert names.find("x/a") == [0]


def test_of_two_spellings_of_one_letter_each_is_found_by_its_own() -> None:
    names = ImageNames([image("\u00e9.jpg"), image("e\u0301.jpg"), image("x/\u00f6.jpg")])
    assert [names.find(name) for name in ("\u00e9.jpg", "e\u0301.jpg", "\u00e9", "e\u0301")] == [[0], [1], [0], [1]]
    assert names.find("E\u0301.jpg") == [0, 1]
    assert names.find("x/o\u0308.jpg") == [2]


def test_what_a_table_cannot_hold_is_met_half_way() -> None:
    names = ImageNames(
        [image(" a .jpg"), image("b\udcff.jpg"), image("c\udcff.jpg"), image("c\udcfe.jpg"), image("d?.jpg")]
    )
    for name in ("a .jpg", "a", " a .jpg"):
        assert names.find(name) == [0]
    assert names.find("b?.jpg") == names.find("b?") == [1]
    assert names.find("c?.jpg") == [2, 3]
    assert names.find("d?.jpg") == [4]


def test_the_one_image_that_a_row_of_a_table_means() -> None:
    names = ImageNames([image("2023/a.jpg"), image("2024/a.jpg"), image("2024/b.jpg")])
    assert (names.of_row("b", "dates.csv:2"), names.of_row("c", "dates.csv:3")) == (2, None)
    assert (names.of_row("a", "dates.csv:4", among={0}), names.of_row("b", "dates.csv:4", among={0})) == (0, None)
    with pytest.raises(UsageError, match=r"dates\.csv:5: 'a' fits 2 images, such as 2023/a\.jpg and 2024/a\.jpg"):
        names.of_row("a", "dates.csv:5")
