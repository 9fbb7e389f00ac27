"""Which columns of a table are taken, and numbers as people write them."""

import logging
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.errors import UsageError
from segpipe.labels.point_table import PointTable, index_of


def table(folder: Path, text: str) -> PointTable:
    (folder / "points.csv").write_text(text, "utf-8")
    return PointTable(folder / "points.csv")


def test_which_columns_were_taken_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heading = "image,x_original,y_original,x,y,cpce_code,class_index"
    with caplog.at_level(logging.INFO):
        rows = list(table(tmp_path, f"{heading}\na,9,8,5,3,CCA,1\na,9,8,6,4,Ana,2\n").rows())
    assert [row[:4] for row in rows] == [(2, "a", 3.0, 5.0), (3, "a", 4.0, 6.0)]
    told = [record.message for record in caplog.records]
    assert told == [f"points.csv: image, y, x, class_index of {heading.replace(',', ', ')}"]


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("cpce_code", ["CCA", "Ana", "CCA"]),
        ("annotator", ["kim", "kim", "kim"]),  # tells nothing apart
        ("depth", ["12,5", "3", "12,5"]),  # numbers name nothing
        ("mixed", ["a", "CCA", "b"]),  # two words for one label: it stays a number
        ("note", ["a", "b", "b"]),  # one word for two labels
        ("short", ["CCA", "", "CCA"]),
        ("word", ["Sand", "sand", "Sand"]),
    ],
)
def test_a_column_that_has_a_name_for_each_number_names_them(tmp_path: Path, heading: str, names: list[str]) -> None:
    text = f"image;x;y;{heading};class_index\n" + "".join(
        f"a;1;1;{name};{index}\n" for name, index in zip(names, (7, 82, 7), strict=True)
    )
    read = table(tmp_path, text)
    assert [row.label for row in read.rows()] == ["7", "82", "7"]
    wanted = {"cpce_code": {"7": "CCA", "82": "Ana"}, "mixed": {"82": "CCA"}}.get(heading, {})
    assert read.names(["7", "82"], None) == wanted
    assert read.names(["7", "82"], ("Ana", "CCA")) == wanted
    assert read.names(["7", "82", "9"], None) == (wanted if heading == "cpce_code" else {})
    assert read.names(["7", "82"], ("sand", "Mus")) == {}
    assert read.names(["7", "rock"], None) == {}


def test_coralnets_label_id_is_found_last_and_known_as_such(tmp_path: Path) -> None:
    read = table(tmp_path, "Name,Row,Column,Label ID\na.jpg,3,5,5423\n")
    assert [(row.label, read.own_numbers) for row in read.rows()] == [("5423", True)]
    both = table(tmp_path, "Name,Row,Column,Label ID,Label code\na.jpg,3,5,5423,CCA\n")
    assert [(row.label, both.own_numbers) for row in both.rows()] == [("CCA", False)]


@given(st.floats(-1e6, 1e6), st.sampled_from([".", ","]))
def test_numbers_have_a_point_or_a_comma(tmp_path_factory: pytest.TempPathFactory, value: float, mark: str) -> None:
    text = f"{value:.2f}".replace(".", mark)
    (row,) = table(tmp_path_factory.mktemp("t"), f"image;y;x;label\na;{text};1;CCA\n").rows()
    assert row.row == pytest.approx(float(f"{value:.2f}"))
    assert math.floor(row.column) == 1


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("1,024", r"points\.csv:2: row '1,024' may be 1\.024 or 1024; write it without a comma"),
        ("1,024,5", r"row '1,024,5' is not a number"),
        ("1_000", None),
        ("0,125", None),
    ],
)
def test_a_comma_that_may_mean_thousands_is_refused(tmp_path: Path, number: str, message: str | None) -> None:
    read = table(tmp_path, f"image;y;x;label\na;{number};1;CCA\n")
    if message is None:
        assert len(list(read.rows())) == 1
    else:
        with pytest.raises(UsageError, match=message):
            list(read.rows())


@given(st.text(max_size=30))
def test_an_index_is_what_python_reads_as_one(text: str) -> None:
    try:
        wanted = int(text) if len(text) < 19 else None
    except ValueError:
        wanted = None
    assert index_of(text) == wanted
