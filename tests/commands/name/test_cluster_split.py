"""Cutting a cluster into parts, and numbering what is split and joined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.errors import UsageError
from segpipe.commands.name.cluster_split import cut_cluster, join_entries, join_parts, parts_of, split_entries
from segpipe.ops.clustering.knn import unit_rows
from segpipe.ops.clustering.linkage import average_linkage, branch, cut
from segpipe.records.class_names import Entry, Naming
from segpipe.records.clusters import ClusterModel, ClusterTree, Split


def tree_of(centers: np.ndarray, sizes: np.ndarray, pool: np.ndarray) -> ClusterTree:
    units = unit_rows(centers)[0]
    merges = average_linkage(units * 0.95, sizes)
    own, none = unit_rows(pool)[0].astype(np.float16), np.empty(0, np.int64)
    return ClusterTree(units, sizes, merges, 0.9, (0.9,), own, own, np.zeros(len(own), np.int32), none, none, 1, 1, "x")


@pytest.fixture
def planted() -> tuple[ClusterModel, ClusterTree]:
    """Six directions; 0 and 1 are near each other, and so are 2 and 3; 4 and 5 are one thing but for a crumb, 5."""
    rng = np.random.default_rng(0)
    base = np.eye(6)
    base[1] += 2 * base[0]
    base[3] += 2 * base[2]
    base[5] += 2 * base[4]
    sizes = np.array([60, 40, 50, 50, 99, 1])
    pool = np.repeat(unit_rows(base.astype(np.float32))[0], sizes, axis=0) + rng.normal(0, 0.02, (300, 6))
    tree = tree_of(base.astype(np.float32), sizes, pool.astype(np.float32))
    return ClusterModel(tree.centers, 0.9, members=np.array([0, 0, 1, 1, 2, 2])), tree


def test_a_branch_comes_apart_where_it_was_joined_last(planted: tuple[ClusterModel, ClusterTree]) -> None:
    model, tree = planted
    found = cut_cluster(model, tree, 0, 2)
    assert found.by == "tree"
    assert found.shares == (0.6, 0.4)
    assert found.split.numbers.tolist() == [0, 3]
    np.testing.assert_array_equal(found.split.centers, tree.centers[:2])
    np.testing.assert_array_equal(found.split.members, [0, 1])


def test_a_crumb_is_no_part_unless_it_is_asked_for(planted: tuple[ClusterModel, ClusterTree]) -> None:
    model, tree = planted
    assert cut_cluster(model, tree, 2, 2).by == "kmeans"
    along = cut_cluster(model, tree, 2, 2, by="tree")
    assert along.shares == (0.99, 0.01)


def test_kmeans_finds_the_kinds_in_the_pool(planted: tuple[ClusterModel, ClusterTree]) -> None:
    model, tree = planted
    found = cut_cluster(model, tree, 1, 2, by="kmeans")
    assert found.shares == (0.5, 0.5)
    assert (np.abs(found.split.centers @ tree.centers[2:4].T).max(axis=1) > 0.999).all()
    with pytest.raises(UsageError, match="too few for 101 parts"):
        cut_cluster(model, tree, 1, 101)
    with pytest.raises(UsageError, match="no branch of at least 3 small clusters"):
        cut_cluster(model, tree, 1, 3, by="tree")


def test_a_part_is_cut_like_a_cluster(planted: tuple[ClusterModel, ClusterTree]) -> None:
    _, tree = planted
    model = ClusterModel(tree.centers, 0.9, members=np.array([0, 0, 0, 0, 1, 1]))
    first = cut_cluster(model, tree, 0, 2).split
    model = ClusterModel(tree.centers, 0.9, members=model.members, splits=(first,))
    second = cut_cluster(model, tree, 2, 2)
    assert second.by == "tree"
    assert second.split.numbers.tolist() == [2, 3]
    flat = ClusterModel(tree.centers, 0.9, members=model.members, splits=(first, second.split)).flat
    np.testing.assert_array_equal(flat[0], tree.centers)
    assert len(set(flat[1].tolist())) == 4


@given(st.integers(2, 25), st.integers(0, 99), st.data())
def test_a_branch_is_cut_as_the_tree_is(count: int, seed: int, data: st.DataObject) -> None:
    """Any cut of the whole tree, seen from one of its classes, is a cut of that branch."""
    rng = np.random.default_rng(seed)
    centers = unit_rows(rng.normal(size=(count, 5)).astype(np.float32))[0]
    merges = average_linkage(centers * 0.9, rng.integers(1, 9, count))
    classes = cut(merges, data.draw(st.integers(1, count)))
    leaves = np.flatnonzero(classes == 0)
    parts = data.draw(st.integers(1, len(leaves)))
    found = branch(merges, leaves, parts)
    assert set(found.tolist()) == set(range(parts))
    finer = (cut(merges, k)[leaves] for k in range(1, count + 1))
    same = [labels for labels in finer if len(set(labels.tolist())) == parts]
    assert any(len(set(zip(found.tolist(), labels.tolist(), strict=True))) == parts for labels in same)


def draw_splits(data: st.DataObject, base: int) -> list[Split]:
    splits, count = [], base
    for _ in range(data.draw(st.integers(1, 5))):
        parts = data.draw(st.integers(2, 3))
        cluster = data.draw(st.integers(0, count - 1))
        splits.append(Split(cluster, count, np.eye(parts, dtype=np.float32), np.arange(parts)))
        count += parts - 1
    return splits


@given(st.integers(1, 4), st.data())
def test_joining_gives_every_pixel_what_it_had_without_those_splits(base: int, data: st.DataObject) -> None:
    """A pixel chooses a part at each split that meets it; without some splits it goes through the others only."""
    splits = draw_splits(data, base)
    clusters = base + sum(split.parts - 1 for split in splits)
    cluster = data.draw(st.integers(0, clusters - 1).filter(lambda k: len(parts_of(splits, k)) > 1))
    kept, numbers = join_parts(splits, cluster)
    joined = parts_of(splits, cluster)
    for first, *choices in (data.draw(st.tuples(st.integers(0, base - 1), *[st.integers(0, 2)] * 5)) for _ in range(9)):
        was = now = first
        left = iter(kept)
        for split, choice in zip(splits, choices, strict=False):
            inside = was == split.cluster
            was = int(split.numbers[choice % split.parts]) if inside else was
            if split.cluster in joined:
                continue
            other = next(left)
            now = int(other.numbers[choice % other.parts]) if now == other.cluster else now
        assert numbers[was] == now
    assert sorted(set(numbers.values())) == list(range(base + sum(split.parts - 1 for split in kept)))


def test_names_of_parts() -> None:
    split = Split(1, 3, np.eye(3, dtype=np.float32), np.arange(3))
    naming = Naming(
        {0: Entry((0, 0, 0), "Coral 2"), 1: Entry((1, 1, 1), "coral", merge_into=0, ignore=True), 2: Entry((2, 2, 2))}
    )
    entries, lost = split_entries(naming, split, [(7, 7, 7), (8, 8, 8)])
    assert [entries[k].name for k in (1, 3, 4)] == ["coral 1", "coral 3", "coral 4"]
    assert [entries[k].color for k in (1, 3, 4)] == [(1, 1, 1), (7, 7, 7), (8, 8, 8)]
    assert [entries[k].merge_into for k in (1, 3, 4)] == [None] * 3
    assert all(entries[k].ignore for k in (1, 3, 4))
    assert (entries[0], entries[2]) == (naming.entries[0], naming.entries[2])
    assert lost == []
    kept, numbers = join_parts([split], 1)
    assert kept == ()
    back = join_entries(Naming(entries), 1, (1, 3, 4), numbers)
    assert back[1].name == "coral"
    assert list(back) == [0, 1, 2]


def test_what_was_merged_into_a_name_that_is_no_more_joins_the_largest_part_or_what_is_whole_again() -> None:
    split = Split(1, 3, np.eye(2, dtype=np.float32), np.arange(2))
    naming = Naming({0: Entry((0, 0, 0), merge_into="coral"), 1: Entry((1, 1, 1), "coral"), 2: Entry((2, 2, 2), "x")})
    entries, lost = split_entries(naming, split, [(7, 7, 7)])
    assert (lost, entries[0].merge_into) == ([0], 1)
    entries[2] = Entry((2, 2, 2), "x", merge_into="coral 2")
    assert Naming(entries).legend(4).names == ("coral 1", "coral 2")
    back = join_entries(Naming(entries), 1, (1, 3), join_parts([split], 1)[1])
    assert (back[0].merge_into, back[2].merge_into) == (1, 1)
    assert Naming(back).legend(3).names == ("coral",)
