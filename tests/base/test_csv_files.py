import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.csv_files import IMAGE_COLUMN, column_of, plain, read_table
from segpipe.base.errors import UsageError

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6)


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
