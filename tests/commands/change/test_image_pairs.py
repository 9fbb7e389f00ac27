"""Pairs of images."""

from dataclasses import replace
from pathlib import Path

import pytest

from segpipe.base.errors import CorpusError, UsageError
from segpipe.commands.change.image_pairs import ImagePair, find_pairs
from segpipe.records.geo import Geo
from tests.helpers.two_dates import named_survey

FIRST = named_survey({"a": [1, 2], "b": [3, 4], "c": [5, 6]})
SECOND = named_survey({"z/b": [1, 2], "c": [3, 4], "a": [5, 6]})


def geo(east: float) -> Geo:
    return Geo("", (1, 0, east, 0, -1, 100))


def test_rasters_of_the_same_ground_are_paired_by_it() -> None:
    first = named_survey({"w": [1], "x": [1], "y": [1]}, geo={"w": geo(0), "x": geo(1000)})
    second = named_survey({"p": [1], "q": [1], "r": [1]}, geo={"p": geo(1010), "q": geo(60), "r": geo(-10)})
    assert find_pairs(first, second, None) == [ImagePair(0, 2, placed=True), ImagePair(1, 0, placed=True)]
    assert find_pairs(FIRST, SECOND, None) == []


def test_images_of_one_id() -> None:
    assert find_pairs(FIRST, SECOND, "names") == [ImagePair(0, 2, placed=False), ImagePair(2, 1, placed=False)]
    with pytest.raises(CorpusError, match="no id, such as a, is there at both dates"):
        find_pairs(FIRST, named_survey({"k": [1, 2]}), "names")
    both = named_survey({"old/p": [1], "old/q": [1], "new/q": [1]})
    first, second = replace(both, images=(0, 1), under="old"), replace(both, images=(2,), under="new")
    assert find_pairs(first, second, "names") == [ImagePair(1, 2, placed=False)]


def test_a_table_of_pairs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("plot,after,before\n1,z/b,a\n2,c.jpg,b.jpg\n3,nowhere,c\n")
    assert find_pairs(FIRST, SECOND, str(table)) == [ImagePair(0, 0, placed=False), ImagePair(1, 1, placed=False)]
    assert "pairs.csv: 1 names fit no image of their date, such as nowhere on line 4" in caplog.text
    table.write_text("vorher;nachher\r\na;z/b\r\n", "utf-8-sig")
    assert find_pairs(FIRST, SECOND, str(table)) == [ImagePair(0, 0, placed=False)]
    table.write_text("a;z/b\nb;c\n")
    with pytest.raises(UsageError, match=r"pairs\.csv:1: this row names images; put a first line such as before,after"):
        find_pairs(FIRST, SECOND, str(table))
    table.write_text("one,two\na,z/b\na,c\n")
    with pytest.raises(UsageError, match=r"pairs\.csv:3: 'a' stands on line 2 too; an image belongs to one pair"):
        find_pairs(FIRST, SECOND, str(table))
    table.write_text("one,two\nx,y\n")
    with pytest.raises(CorpusError, match=r"no row of .* belongs to images of both dates"):
        find_pairs(FIRST, SECOND, str(table))
    table.write_text("one\na\n")
    with pytest.raises(UsageError, match="needs two columns"):
        find_pairs(FIRST, SECOND, str(table))
