"""What a person says of clusters becomes classes, or one problem with its place."""

import numpy as np
import pytest

from segpipe.records.class_names import Entry, Naming, NamingError

GREY, RED, BLUE = (90, 90, 90), (200, 0, 0), (0, 0, 200)


def naming(*entries: Entry) -> Naming:
    return Naming(dict(enumerate(entries)))


def test_names_merges_and_ignored_clusters_become_classes() -> None:
    said = naming(
        Entry(RED, "coral"),
        Entry(GREY),
        Entry(BLUE, "sand", ignore=True),
        Entry(GREY, "coral"),  # the same name: the same class, in the color of the first
        Entry(BLUE, "not shown", merge_into=1),
        Entry(BLUE, merge_into="coral"),
        Entry(BLUE, merge_into=4),  # by way of 4 to 1
        Entry(BLUE, merge_into=2),  # what it joins is left out
    )
    legend = said.legend(8)
    assert legend.names == ("coral", "cluster 1")
    assert legend.classes_of.tolist() == [0, 1, -1, 0, 1, 0, 1, -1]
    np.testing.assert_array_equal(legend.colors, [RED, GREY])
    mask = np.array([[0, 1, 2, 3], [4, 5, 255, 7]], np.uint8)
    np.testing.assert_array_equal(legend.read(mask), [[0, 1, 255, 0], [1, 0, 255, 255]])


@pytest.mark.parametrize(
    ("entries", "cluster", "field", "problem"),
    [
        ([Entry(RED, merge_into=1), Entry(RED, merge_into=0)], 1, "merge_into", r"circle \(0 -> 1 -> 0\)"),
        ([Entry(RED, merge_into=0), Entry(RED)], 0, "merge_into", r"circle \(0 -> 0\)"),
        ([Entry(RED, merge_into=7), Entry(RED)], 0, "merge_into", "7 is no cluster; clusters go from 0 to 1"),
        ([Entry(RED, merge_into="snad"), Entry(RED, "sand")], 0, "merge_into", "did you mean 'sand'"),
        ([Entry(RED, "a", merge_into="a"), Entry(RED, "b")], 0, "merge_into", "'a' is the name of no other cluster"),
        ([Entry(RED, "Sand"), Entry(RED, "sand")], 1, "name", "'Sand' of cluster 0 differ in case or spaces alone"),
        ([Entry(RED, "cluster 1"), Entry(RED)], 0, "name", "is what cluster 1 is called, which has no name yet"),
        ([Entry(RED, ignore=True), Entry(RED, ignore=True)], 0, "ignore", "keep at least one"),
        ([Entry(RED), Entry(RED), Entry(RED)], 2, "", "there is no cluster 2; clusters go from 0 to 1"),
        ([Entry(RED)], None, "", "cluster 1 is missing"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(
    entries: list[Entry], cluster: int | None, field: str, problem: str
) -> None:
    with pytest.raises(NamingError, match=problem) as told:
        naming(*entries).legend(2)
    assert (told.value.cluster, told.value.field) == (cluster, field)


def test_a_merged_or_ignored_name_is_no_slip() -> None:
    said = naming(Entry(RED, "Sand"), Entry(RED, "sand", merge_into=0), Entry(RED, "SAND", ignore=True))
    assert said.legend(3).names == ("Sand",)
