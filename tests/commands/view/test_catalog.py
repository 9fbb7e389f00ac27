from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from segpipe.commands.view.catalog import adjusted_rand, current_clusters, describe_run, keep_numbers, sites_of
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.ops.clustering.linkage import cut
from tests.helpers.view_run import K

labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=40)


@given(labels)
def test_agreement_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    ours, theirs = (np.array(column) for column in zip(*pairs, strict=True))
    expected = adjusted_rand_score(ours, theirs) if len(np.unique(ours)) > 1 else 0.0
    assert abs(adjusted_rand(ours, theirs) - expected) < 1e-9


def test_colors_stay_where_classes_do() -> None:
    now, sizes = np.array([0, 0, 1, 1, 2]), np.array([5, 5, 3, 3, 1])
    assert keep_numbers(now, now, sizes, 3).tolist() == now.tolist()
    assert keep_numbers(np.array([0, 0, 0, 0, 1]), now, sizes, 3).tolist() == [0, 0, 0, 0, 2]
    finer = keep_numbers(np.array([4, 3, 2, 2, 1]), now, sizes, 3).tolist()
    assert sorted(finer[:2]) == [0, 3]
    assert finer[2:] == [1, 1, 2]


@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 99))
def test_classes_stay_apart_whatever_their_numbers(leaves: int, clusters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, now = rng.integers(0, 4, leaves), rng.integers(0, clusters, leaves)
    found = keep_numbers(classes, now, rng.integers(1, 9, leaves), clusters)
    assert adjusted_rand(classes, found) in (0.0, 1.0)
    assert len(np.unique(found)) == len(np.unique(classes))


def test_the_tree_is_told_with_its_cuts(finished: Path) -> None:
    run = OpenedRun(finished)
    found = describe_run(run, beside=False)
    tree = found["tree"]
    assert tree["least"] == 2
    assert list(map(int, tree["cuts"])) == list(range(2, tree["most"] + 1))
    for k, classes in tree["cuts"].items():
        assert len(set(classes)) == int(k)
        assert adjusted_rand(np.array(classes), cut(run.tree.merges, int(k))) == 1.0
    assert current_clusters(run.tree, run.clusters).max() < K
    assert found["images"]["pixels"][0] == [[int(k), n] for k, n in
                                            run.mask_index[run.corpus.images[0].id]["pixels"].items()]  # fmt: skip


def test_sites_are_folders(finished: Path) -> None:
    run = OpenedRun(finished)
    folders = {image.path.rpartition("/")[0] for image in run.corpus.images} - {""}
    found = sites_of(run)
    assert found == {} or set(found.values()) == folders
