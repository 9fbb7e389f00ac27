import pytest

from segpipe.records.class_names import Entry, Naming, NamingError
from segpipe.records.naming_edits import entry_of, leave_out, merge, read_color, recolor, rename, unmerge

NAMING = Naming({0: Entry((1, 2, 3), "sand"), 1: Entry((4, 5, 6)), 2: Entry((7, 8, 9), "", "sand")}, "abc")


def test_who_joined_a_class_by_its_name_follows_when_it_is_renamed() -> None:
    found = rename(NAMING, 0, " white  sand ")
    assert found.entries[0].name == "white sand"
    assert found.entries[2].merge_into == 0
    assert found.legend(3).names == ("white sand", "cluster 1")
    both = rename(rename(NAMING, 1, "sand"), 0, "mud")
    assert both.entries[2].merge_into == "sand"


def test_the_others_change_what_they_say() -> None:
    assert merge(NAMING, 1, 0).entries[1].merge_into == 0
    assert unmerge(NAMING, 2).entries[2].merge_into is None
    assert leave_out(NAMING, 1, True).entries[1].ignore
    assert recolor(NAMING, 1, "#0a0B0c").entries[1].color == (10, 11, 12)
    assert leave_out(NAMING, 1, False) == NAMING
    assert rename(NAMING, 0, "sand").clustering == "abc"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda: rename(NAMING, 3, "x"), "no cluster 3"),
        (lambda: rename(NAMING, 0, "a\u202eb"), "no one can see"),
        (lambda: recolor(NAMING, 0, "#12345"), "no color"),
        (lambda: merge(NAMING, 0, 9), "no cluster 9"),
        (lambda: merge(NAMING, 0, 0), "itself"),
        (lambda: unmerge(NAMING, 0), "into no other"),
        (lambda: leave_out(NAMING, -1, True), "no cluster -1"),
        (lambda: entry_of(Naming({}), 0), "no cluster 0"),
        (lambda: read_color("red", 0), "no color"),
    ],
)
def test_what_cannot_be_meant_is_refused(change: object, problem: str) -> None:
    with pytest.raises(NamingError, match=problem):
        change()  # type: ignore[operator]
