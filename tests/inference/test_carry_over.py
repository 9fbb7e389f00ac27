"""Names follow the pixels when the clusters of a run change."""

import numpy as np

from segpipe.inference.carry_over import Seen, begin, carry, load_seen, save_seen
from segpipe.records.class_names import Entry, Naming


def seen(clustering: str, clusters: int, rows: list[list[int]], ids: tuple[str, ...] = ("a", "b")) -> Seen:
    return Seen(clustering, clusters, ids, np.array(rows, np.int64))


BEFORE = seen("one", 3, [[0, 0, 0, 1, 1, 2, 2, -1], [0, 0, 0, 1, 1, 1, 2, 2]])
SAID = Naming(
    {
        0: Entry((1, 1, 1), "sand"),
        1: Entry((2, 2, 2), "coral", merge_into=2),
        2: Entry((3, 3, 3), "algae", ignore=True),
    },
    "one",
)


def test_the_same_clusters_keep_everything() -> None:
    kept = carry(SAID, BEFORE, BEFORE)
    assert kept.naming == SAID
    assert (kept.added, kept.removed, kept.moved, kept.loose) == ([], {}, {}, [])


def test_an_entry_that_was_taken_out_is_added_again() -> None:
    less = Naming({k: SAID.entries[k] for k in (0, 1)}, "one")
    kept = carry(less, BEFORE, BEFORE)
    assert list(kept.added) == [2]
    assert kept.naming.entries[2].name == ""
    assert list(kept.loose) == [1]  # what it was merged into is gone


def test_names_follow_pixels_not_numbers() -> None:
    after = seen("two", 4, [[1, 1, 1, 2, 2, 0, 0, -1], [1, 1, 3, 2, 2, 2, 0, 0]])
    kept = carry(SAID, BEFORE, after)
    entries = kept.naming.entries
    assert [entries[k].name for k in range(4)] == ["algae", "sand", "coral", ""]
    assert entries[2].merge_into == 0  # algae has another number now
    assert entries[0].ignore
    assert kept.moved == {0: 1, 1: 2, 2: 0}
    assert list(kept.added) == [3]
    assert entries[3].color not in {entry.color for entry in SAID.entries.values()}
    assert kept.naming.clustering == "two"


def test_a_cluster_that_fell_apart_is_said_to_be_gone() -> None:
    after = seen("two", 3, [[0, 1, 2, 0, 0, 2, 2, -1], [0, 1, 2, 0, 0, 0, 2, 2]])
    kept = carry(SAID, BEFORE, after)
    assert list(kept.removed) == [0]
    assert kept.removed[0].name == "sand"
    assert kept.naming.entries[0].name == "coral"  # 5 of 7 places that either holds
    assert list(kept.added) == [1]


def test_nothing_is_guessed_without_images_in_common() -> None:
    after = seen("two", 3, BEFORE.places.tolist(), ("c", "d"))
    for before in (None, BEFORE):
        kept = carry(SAID, before, after)
        assert list(kept.added) == [0, 1, 2]
        assert list(kept.removed) == [0, 1, 2]


def test_what_was_seen_is_kept(tmp_path) -> None:
    assert load_seen(tmp_path) is None
    save_seen(BEFORE, tmp_path)
    found = load_seen(tmp_path)
    assert found is not None
    assert (found.clustering, found.clusters, found.ids) == ("one", 3, ("a", "b"))
    np.testing.assert_array_equal(found.places, BEFORE.places)
    (tmp_path / "gallery" / "seen.npz").write_bytes(b"PK")
    assert load_seen(tmp_path) is None


def test_a_new_naming_says_nothing_and_changes_no_color() -> None:
    legend = begin(BEFORE).legend(3)
    assert legend.names == ("cluster 0", "cluster 1", "cluster 2")
    assert legend.classes_of.tolist() == [0, 1, 2]
