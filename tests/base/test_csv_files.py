import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.csv_files import IMAGE_COLUMN, column_of, csv_text, plain, read_back, read_table
from segpipe.base.errors import UsageError
from segpipe.base.shown import uncurled

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6).filter(
    lambda cell: uncurled(cell) == cell
)


def rows(path: Path) -> list[tuple[int, list[str]]]:
    return list(read_table(path, option="--points"))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4), st.sampled_from(",;\t"), st.booleans())
def test_what_the_csv_module_writes_is_read(tmp_path_factory, cells, delimiter, wide):
    table = [("image", "class"), *cells]
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-16" if wide else "utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(table)
    assert rows(path) == [(number, list(row)) for number, row in enumerate(table, 1)]


def test_empty_rows_spaces_and_empty_columns_at_the_end_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"image , x\r\n\r\n a, 1 ,,\r\n,\r\nb,\r\n")
    assert rows(path) == [(1, ["image", "x"]), (3, ["a", "1"]), (5, ["b", ""])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1\n", r"a\.csv:2: 1 fields where the header has 2"),
        (b"a,b\n1,2,3\n", r"a\.csv:2: 3 fields where the header has 2"),
        (b"a,b\nx,\0\n", r"a\.csv:2: holds a NUL byte"),
        (b'a,b\n1,2\n"x,3\ny,4\n', r"a\.csv:3: a quote is opened in this row and never closed; close it"),
        (b'"a,b\n1,2\n', r"a\.csv:1: a quote is opened"),
        (b"a,b\n1," + b"x" * 200_000, r"a\.csv:2: not a CSV row \(field larger than field limit \(131072\)\)"),
        (b"a" * 200_000 + b",b\n1,2\n", r"a\.csv:1: not a CSV row \(field larger"),
        (b'a,b\n"' + b"x\n" * 200_000, r"a\.csv:2: not a CSV row \(field larger"),
        (b"\xff\xfea\0,\0b", r"a\.csv:1: not UTF-16"),
        (b"a,b\nx,\xff\n", r"a\.csv:2: not UTF-8 \(byte 6\)"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        rows(tmp_path / "a.csv")


def test_a_missing_table_names_its_option(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check --points"):
        rows(tmp_path / "none.csv")


def test_columns_are_found_by_any_spelling_the_first_of_the_list_before_the_others() -> None:
    assert plain("Image Name_2 (m²)") == "imagename2m²"
    assert column_of(["X", "File_Name", "IMAGE"], IMAGE_COLUMN) == 2
    assert column_of(["X", "File_Name"], IMAGE_COLUMN) == 1
    assert column_of(["X"], IMAGE_COLUMN) is None


FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "=cmd|' /C calc'!A0",
    "-",
    "--5",
    "-5m",
)
"""Cells that OWASP warns of, harmless ones with the same beginning among them."""
NUMBERS = (-3.2, 5, 1e-30, float("-inf"), "-3.2", "+7", "-1e-05", "-inf", "-.5", None)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula_in_a_spreadsheet(text: str) -> None:
    for made in (csv_text([text], []), csv_text(["a"], [[text]])):
        cell = list(csv.reader(io.StringIO(made, newline="")))[-1][0]
        assert cell == f"'{text}"


def test_numbers_and_other_texts_stay_as_the_csv_module_writes_them() -> None:
    rows = [[number, "a=b", "sand, white", 'a "b"', "'", "'tis", "a-b", "é", ""] for number in NUMBERS]
    wanted = io.StringIO()
    csv.writer(wanted, lineterminator="\n").writerows([["x"] * 9, *rows])
    assert csv_text(["x"] * 9, rows) == wanted.getvalue()


def test_a_carriage_return_in_a_name_begins_no_row() -> None:
    assert list(csv.reader(io.StringIO(csv_text(["a"], [["x\r=1+1"]]), newline=""))) == [["a"], ["x\r=1+1"]]


ANY = st.text(st.sampled_from(list("'=+-@\t\r\n,;\"\uff1d1.ea ")) | st.characters(codec="utf-8"), max_size=8)
BARE = ANY.filter(lambda text: "\0" not in text and text == text.strip() != "" and text == uncurled(text))


@given(st.lists(st.tuples(ANY, ANY), max_size=5))
def test_what_is_written_is_read_back(rows: list[tuple[str, str]]) -> None:
    assert read_back(csv_text(["a", "b"], rows)) == [["a", "b"], *map(list, rows)]


@given(st.lists(st.tuples(BARE, BARE), max_size=5))
def test_tables_of_ours_are_read_by_what_reads_those_of_people(tmp_path_factory, cells) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text(csv_text(["image", "label"], cells), "utf-8", newline="")
    assert [row for _, row in rows(path)] == [["image", "label"], *map(list, cells)]


@given(st.binary(max_size=40) | st.text(st.sampled_from(list("ab,;\t\"'\n\r=")), max_size=30).map(str.encode))
def test_no_bytes_are_an_error_of_ours(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(content)
    message = ""
    try:
        rows(path)
    except UsageError as error:
        message = str(error).removeprefix(str(path))
    assert "\n" not in message
    assert len(message) <= 200


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "sep=;;;\n"])
def test_the_separator_that_a_first_line_names_is_taken(tmp_path: Path, first: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"{first}image;a,b,c,d\nx;1,5\ny\n".encode())
    table = read_table(path, option="--points")
    assert [next(table), next(table)] == [(2, ["image", "a,b,c,d"]), (3, ["x", "1,5"])]
    with pytest.raises(UsageError, match=r"a\.csv:4: 1 fields where the header has 2"):
        next(table)
    path.write_text("sep,x\n1,2\n")  # a heading of that name is none
    assert rows(path) == [(1, ["sep", "x"]), (2, ["1", "2"])]


def test_curly_quotes_are_no_part_of_a_field(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("“image”,label\na,“soft coral”\nb,diver’s hand\n", "utf-8")
    assert rows(path) == [(1, ["image", "label"]), (2, ["a", "soft coral"]), (3, ["b", "diver’s hand"])]
