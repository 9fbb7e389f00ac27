from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.store.clusters import load_clusters, load_tree, save_clusters, save_tree


@pytest.mark.parametrize("projects", [False, True])
def test_models_read_back_and_equal_models_give_equal_bytes(tmp_path: Path, projects: bool) -> None:
    centers = np.eye(3, dtype=np.float32)
    mean, components = (np.ones(5, np.float32), np.eye(3, 5, dtype=np.float32)) if projects else (None, None)
    members = np.array([1, 0, 1]) if projects else None
    model = ClusterModel(centers, 0.75, members, 0.5 if projects else 0.0, mean, components)
    for name in ("one.npz", "two.npz"):
        save_clusters(model, tmp_path / name)
    again = load_clusters(tmp_path / "one.npz")
    np.testing.assert_array_equal(again.centers, centers)
    assert (again.inertia, again.smooth, again.clusters) == ((0.75, 0.5, 2) if projects else (0.75, 0, 3))
    assert (again.mean is None) != projects
    np.testing.assert_array_equal(
        again.project(np.ones((2, 5 if projects else 3))), model.project(np.ones((2, 5 if projects else 3)))
    )
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"no zip"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clusters.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"clusters\.npz is missing or damaged.*segpipe cluster"):
        load_clusters(path)


def test_a_tree_reads_back(tmp_path: Path) -> None:
    merges = np.array([[0, 2, 0.25, 2], [1, 3, 0.5, 3.0]])
    pool, groups, pairs = np.ones((7, 3), np.float16), np.arange(7, dtype=np.int32), (np.arange(2), np.arange(5, 7))
    tree = ClusterTree(
        np.eye(3, dtype=np.float32),
        np.array([5, 4, 1]),
        merges,
        0.5,
        (0.5, 0.4),
        pool,
        -pool,
        groups,
        *pairs,
        10,
        12,
        "abc",
    )
    save_tree(tree, tmp_path / "tree.npz")
    again = load_tree(tmp_path / "tree.npz")
    for name in ("centers", "sizes", "merges", "pool", "smoothed", "groups", "queries", "partners"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tree, name))
    assert (again.inertia, again.restarts, again.patches, again.of, again.origin) == (0.5, (0.5, 0.4), 10, 12, "abc")
    with np.load(tmp_path / "tree.npz") as arrays:
        np.savez(tmp_path / "old.npz", **{name: arrays[name] for name in arrays if name not in ("queries", "partners")})
    assert len(load_tree(tmp_path / "old.npz").queries) == 0  # of earlier versions
    (tmp_path / "tree.npz").write_bytes(b"no zip")
    with pytest.raises(UsageError, match=r"tree\.npz is missing or damaged"):
        load_tree(tmp_path / "tree.npz")
