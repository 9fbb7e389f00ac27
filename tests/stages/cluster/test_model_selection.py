"""Which clusters a corpus bears: planted corpora where the answer is known."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from segpipe.ops.clustering.neighbor_agreement import nearest_elsewhere
from segpipe.ops.clustering.sampler import some
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.stages.cluster.model_selection import compare

pytestmark = pytest.mark.usefixtures("one_torch_thread")

AXES = np.eye(12, dtype=np.float32)


def pooled(sizes: list[int], *, images: int = 12) -> tuple[ClusterTree, np.ndarray]:
    """Unit vectors around orthogonal directions, `sizes` of each, spread evenly over images."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    vectors = AXES[labels] + 0.1 * rng.normal(size=(len(labels), 12))
    units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    groups = rng.integers(images, size=len(labels))
    queries = some(len(labels), 2000 if images > 1 else 0, rng)
    tree = ClusterTree(
        centers=AXES[:1],
        sizes=np.array([len(labels)]),
        merges=np.empty((0, 4)),
        inertia=1.0,
        restarts=(1.0,),
        pool=units,
        smoothed=units.copy(),
        groups=groups.astype(np.int32),
        queries=queries,
        partners=nearest_elsewhere(units.astype(np.float32), queries, groups) if len(queries) else queries,
        patches=len(labels),
        of=len(labels),
        origin="",
    )
    return tree, labels


def test_true_classes_agree_fully_and_split_ones_less() -> None:
    tree, labels = pooled([600] * 4)
    halves = AXES[:4][:, None] + 0.01 * np.stack([AXES[5:6], -AXES[5:6]], axis=1)  # each class cut at random
    split = (halves / np.linalg.norm(halves, axis=-1, keepdims=True)).reshape(8, 12).astype(np.float32)
    models = {
        "true": ClusterModel(AXES[:4], 1.0),
        "split": ClusterModel(split, 1.0),
        "joined": ClusterModel(split, 1.0, members=np.repeat(np.arange(4), 2)),
        "one": ClusterModel(AXES[:1], 1.0),
    }
    marks = compare(tree, models)
    assert marks["true"] == marks["joined"] == pytest.approx(np.log(4) ** 0.5, rel=1e-4)
    assert marks["one"] == 0
    assert 0.3 < marks["split"] < 0.9 * marks["true"]
    assert adjusted_rand_score(labels, (tree.pool.astype(np.float32) @ AXES[:4].T).argmax(axis=1)) == 1


def test_one_large_class_with_crumbs_does_not_win() -> None:
    tree, _ = pooled([600] * 4 + [6] * 3)
    crumbs = ClusterModel(AXES[:7], 1.0, members=np.array([0, 0, 0, 0, 1, 2, 3]))
    even = ClusterModel(AXES[:7], 1.0, members=np.array([0, 1, 2, 3, 0, 1, 2]))
    marks = compare(tree, {"crumbs": crumbs, "even": even})
    assert marks["crumbs"] < 0.5 < 1 < marks["even"]


def test_classes_are_those_of_smoothed_codes() -> None:
    tree, labels = pooled([300] * 4)
    tree.smoothed[:] = AXES[np.random.default_rng(1).integers(4, size=len(labels))]
    assert abs(compare(tree, {"true": ClusterModel(AXES[:4], 1.0)})["true"]) < 0.05


def test_one_image_gives_no_marks() -> None:
    tree, _ = pooled([50] * 3, images=1)
    assert compare(tree, {"any": ClusterModel(AXES[:3], 1.0)}) == {}


def test_some_is_even_rising_and_without_repeats() -> None:
    rng = np.random.default_rng(0)
    assert some(5, 9, rng).tolist() == [0, 1, 2, 3, 4]
    drawn = [some(10, 3, rng) for _ in range(3000)]
    assert all((np.diff(rows) > 0).all() for rows in drawn)
    np.testing.assert_allclose(np.bincount(np.concatenate(drawn), minlength=10) / 3000, 0.3, atol=0.04)
