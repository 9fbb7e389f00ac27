"""The images of a date: told apart in one run, and their sites."""

from dataclasses import replace
from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.survey import SurveyDate, split_dates
from tests.helpers.two_dates import named_survey

IDS = ["2023/north/a", "2023/south/b", "2024/north/a", "2024/south/b", "other/c"]


def options(**more: object) -> ChangeOptions:
    return make(ChangeOptions, {"run_a": "r", "second": "r", "out": "o", **more})


@pytest.fixture
def both() -> SurveyDate:
    return named_survey({each: [60, 40] for each in IDS})


def test_dates_by_pattern(both: SurveyDate) -> None:
    first, second = split_dates(both, options(date_pattern=r"(20\d\d)"))
    assert (first.name, second.name) == ("2023", "2024")
    assert (first.images, second.images) == ((0, 1), (2, 3))
    counted = first.count(options(date_pattern=r"(20\d\d)"))
    assert list(counted.sites) == ["north", "south", "north", "south", "other"]  # folders without the date
    assert counted.pixels.tolist() == [[60, 40]] * 5


def test_dates_by_table(both: SurveyDate, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = tmp_path / "dates.csv"
    table.write_text("image,date\n2023/north/a,before\n2024/north/a.jpg,late\n2024/south/b,late\nnowhere,x\n")
    first, second = split_dates(both, options(dates=table))
    assert (first.name, first.images, second.name, second.images) == ("before", (0,), "late", (2, 3))
    assert "2 images have no date and are left out, such as 2023/south/b" in caplog.text
    table.write_text(
        "image;date\r\n2023/north/a;1\r\n2024/north/a;2\r\nother/c;\r\n2023/north/a.jpg;2\r\n", "utf-8-sig"
    )
    with pytest.raises(UsageError, match=r"dates\.csv:5: '2023/north/a.jpg' is of '2' here and of '1' above"):
        split_dates(both, options(dates=table))
    table.write_text("image;date\r\n2023/north/a;1\r\n2024/north/a;2\r\nother/c;\r\n", "utf-8-sig")
    assert [side.images for side in split_dates(both, options(dates=table))] == [(0,), (2,)]
    table.write_text("image,date\na,2023\n")
    with pytest.raises(UsageError, match=r"dates\.csv:2: 'a' fits 2 images, such as 2023.* and 20"):
        split_dates(both, options(dates=table))
    table.write_text("picture,when\n2023/north/a,1\n")
    with pytest.raises(UsageError, match="needs columns `image` and `date`"):
        split_dates(both, options(dates=table))


def test_the_folder_of_a_date_is_no_part_of_sites_and_names(both: SurveyDate) -> None:
    first = replace(both, images=(0, 1), under="2023")
    assert list(first.count(options()).sites[:2]) == ["north", "south"]
    assert first.own_name(0) == "north/a"
    assert list(replace(both, under="2023/north").count(options()).sites[:2]) == ["(top folder)", "2023/south"]
    assert split_dates(both, options(date_pattern=r"(20\d\d)"))[1].own_name(2) == "/north/a"
    assert both.own_name(4) == "other/c"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "nowhere is named for both dates; say which images are of which by dates=CSV or date_pattern="),
        ({"date_pattern": "(2023)"}, "1 dates in its images .2023., and two are compared"),
        ({"date_pattern": "(20"}, "not a regular expression"),
    ],
)
def test_dates_must_be_two(both: SurveyDate, more: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        split_dates(both, options(**more))


def test_sites_by_pattern_and_table(both: SurveyDate, tmp_path: Path) -> None:
    assert list(both.count(options(site_pattern="^(a|b)")).sites)[4] == "(no site)"
    table = tmp_path / "sites.csv"
    table.write_text("image,reef,gsd\n2023/north/a,one,0.5\n2024/north/a,one,\n")
    counted = both.count(options(sites=table, by="reef"))
    assert list(counted.sites[:3]) == ["one", "(no site)", "one"]
    assert counted.areas[0] == 0.25
    assert both.count(options(gsd=2.0)).areas[1] == 4.0
    with pytest.raises(UsageError, match="by=reef is a column of a table of sites; give it with sites"):
        both.count(options(by="reef"))
