import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import fcluster
from sklearn.metrics import adjusted_rand_score

from segpipe.base.errors import CorpusError, MachineError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.inference.codes import encode
from segpipe.inference.patch_sampler import open_sample, sample_counts
from segpipe.nn.head import build_head, codes, describe_head, linear_head, new_head
from segpipe.ops.clustering.kmeans import spherical_kmeans
from segpipe.ops.gallery import assign
from segpipe.ops.maps.smoothing import smooth_widely
from segpipe.stages import cluster, mine, train
from segpipe.stages.evaluate.baseline import fit_baseline
from segpipe.store.checkpoints import load_tensors, save_tensors
from segpipe.store.clusters import load_clusters, load_tree
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir
from tests.helpers.planted_run import plant
from tests.helpers.relist import relist

SMALL = {"k": 4, "n_init": 2, "max_iter": 20, "prototypes": 20, "method": "tree"}


pytestmark = pytest.mark.usefixtures("one_torch_thread")


def headed(root: Path, **planted: Any) -> tuple[RunDir, list[np.ndarray]]:
    """A planted run with an untrained head."""
    run_dir, truth = plant(root, **planted)
    head = new_head(16, 6, 0.1, seed=0)
    with run_dir.writing("head") as out:
        save_tensors(out / "head.safetensors", head.state_dict(), describe_head(head))
    return run_dir, truth


def test_codes_and_baseline_find_the_planted_classes(tmp_path: Path) -> None:
    run_dir, truth = plant(tmp_path, images=24)
    mine.run(mine.Config(), run_dir, Runtime())
    settings = {"steps": 150, "batch": 8, "dim": 6, "samples": 5, "tensorboard": False}
    train.run(train.Config(**settings), run_dir, Runtime())
    summary = cluster.run(cluster.Config(**SMALL, smooth=0), run_dir, Runtime(workers=2))
    head = build_head(*load_tensors(run_dir.path("head") / "head.safetensors"))
    store = FeatureStore(run_dir.path("features"))
    ours = load_clusters(run_dir.path("clusters") / "clusters.npz")
    sample = open_sample(store, most=10**6, seed=0, track=Runtime().track)
    base = fit_baseline(sample, k=4, components=8, seed=0, runtime=Runtime(workers=2))
    assert base.components is not None
    assert base.components.shape == (8, 16)
    expected = np.concatenate([classes.ravel() for classes in truth])
    for model, by in ((ours, head), (base, None)):
        found = np.concatenate(
            [
                assign(encode(by, model, store.patches(row), store.valid(row)), model.centers, model.members)[0].ravel()
                for row in range(24)
            ]
        )
        assert adjusted_rand_score(expected, found) > 0.98
        counts = np.bincount(found, minlength=4)
        assert (np.diff(counts) <= 2).all()  # class 0 is the largest
    assert summary.patches == summary.of == len(expected)
    assert (summary.k, summary.dim, len(ours.centers)) == (4, 6, summary.prototypes)
    assert summary.inertia == max(summary.restarts)
    assert sum(summary.shares) == pytest.approx(1, abs=1e-4)


def test_the_tree_is_kept_and_cut_anew_without_reading_features(tmp_path: Path) -> None:
    run_dir, _ = headed(tmp_path, images=12)
    first = cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
    kept = (run_dir.path("clusters") / "tree.npz").read_bytes()
    shutil.rmtree(run_dir.path("features") / "store.zarr" / "patches" / "c")
    again = cluster.run(cluster.Config(**SMALL | {"k": 2}), run_dir, Runtime())
    assert (first.cut_only, again.cut_only) == (False, True)
    assert (first.k, again.k) == (4, 2)
    assert (run_dir.path("clusters") / "tree.npz").read_bytes() == kept
    tree, model = (
        load(run_dir.path("clusters") / f"{name}.npz")
        for load, name in ((load_tree, "tree"), (load_clusters, "clusters"))
    )
    assert adjusted_rand_score(fcluster(tree.merges, 2, "maxclust"), model.members) == 1
    with pytest.raises(MachineError, match="patches/c/0/0/0/0: a shard of features is missing"):  # another tree
        cluster.run(cluster.Config(**SMALL | {"prototypes": 19}), run_dir, Runtime())


def test_plain_kmeans_at_k(tmp_path: Path) -> None:
    run_dir, _ = headed(tmp_path, images=8)
    summary = cluster.run(cluster.Config(**SMALL | {"method": "kmeans", "smooth": 0}), run_dir, Runtime())
    model = load_clusters(run_dir.path("clusters") / "clusters.npz")
    assert (summary.method, len(model.centers), model.members) == ("kmeans", 4, None)
    store, head = (
        FeatureStore(run_dir.path("features")),
        build_head(*load_tensors(run_dir.path("head") / "head.safetensors")),
    )
    patches = np.concatenate([store.patches(row).reshape(-1, 16) for row in range(8)])
    found = spherical_kmeans(codes(head, patches), k=4, restarts=5, iterations=20, seed=0)
    assert (
        adjusted_rand_score(
            assign(codes(head, patches), model.centers)[0], assign(codes(head, patches), found.centers)[0]
        )
        > 0.99
    )  # the pool is stored in 16 bits


def test_auto_keeps_what_alike_patches_agree_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir, _ = headed(tmp_path, images=16)
    caplog.set_level("INFO")
    summary = cluster.run(cluster.Config(**SMALL | {"method": "auto"}), run_dir, Runtime())
    marks = summary.agreements
    assert summary.method == max(marks, key=lambda name: marks[name])
    assert f"kept: {summary.method}" in caplog.text
    model = load_clusters(run_dir.path("clusters") / "clusters.npz")
    alone = cluster.run(cluster.Config(**SMALL | {"method": summary.method}), run_dir, Runtime(workers=2))
    assert (alone.agreements, alone.cut_only) == ({}, True)
    np.testing.assert_array_equal(load_clusters(run_dir.path("clusters") / "clusters.npz").centers, model.centers)
    again = cluster.run(cluster.Config(**SMALL | {"method": "auto"}), run_dir, Runtime(workers=2))
    assert again.agreements == marks


def test_one_crop_leaves_nothing_to_choose_by(tmp_path: Path) -> None:
    run_dir, _ = headed(tmp_path, images=1)
    summary = cluster.run(cluster.Config(**SMALL | {"method": "auto"}), run_dir, Runtime())
    assert (summary.method, summary.agreements) == ("tree", {})


def test_primaps_keeps_what_was_found_and_leaves_one_center_per_cluster(tmp_path: Path) -> None:
    run_dir, truth = plant(tmp_path, images=24)
    store = FeatureStore(run_dir.path("features"))
    mean = np.concatenate([store.patches(row).reshape(-1, 16) for row in range(24)]).mean(axis=0, dtype=np.float32)
    with run_dir.writing("head") as out:
        head = linear_head(np.eye(16, dtype=np.float32), mean)
        save_tensors(out / "head.safetensors", head.state_dict(), describe_head(head))
    cluster.run(cluster.Config(**SMALL, smooth=0, primaps=30), run_dir, Runtime())
    model = load_clusters(run_dir.path("clusters") / "clusters.npz")
    first = (run_dir.path("clusters") / "clusters.npz").read_bytes()
    assert (model.members, len(model.centers)) == (None, 4)
    found = [assign(encode(head, model, store.patches(r), store.valid(r)), model.centers)[0].ravel() for r in range(24)]
    assert adjusted_rand_score(np.concatenate([c.ravel() for c in truth]), np.concatenate(found)) > 0.98
    assert cluster.run(cluster.Config(**SMALL, smooth=0, primaps=30), run_dir, Runtime()).cut_only
    assert (run_dir.path("clusters") / "clusters.npz").read_bytes() == first


def test_a_damaged_tree_is_grown_again(tmp_path: Path) -> None:
    run_dir, _ = headed(tmp_path, images=6)
    cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
    path = run_dir.path("clusters") / "tree.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert not cluster.run(cluster.Config(**SMALL), run_dir, Runtime()).cut_only
    assert (run_dir.path("clusters") / "tree.npz").read_bytes() == whole


def test_auto_finds_the_number_of_planted_classes(tmp_path: Path) -> None:
    run_dir, truth = plant(tmp_path, images=24)
    identity = new_head(16, 16, 0.0, seed=0)
    tensors = {name: torch.zeros_like(tensor) for name, tensor in identity.state_dict().items()}
    store = FeatureStore(run_dir.path("features"))
    mean = np.concatenate([store.patches(row).reshape(-1, 16) for row in range(24)]).mean(axis=0, dtype=np.float64)
    tensors |= {"linear.weight": torch.eye(16), "mean": torch.from_numpy(mean).float()}
    with run_dir.writing("head") as out:
        save_tensors(out / "head.safetensors", tensors, describe_head(identity))
    summary = cluster.run(cluster.Config(**SMALL | {"k": "auto"}, smooth=0), run_dir, Runtime())
    assert summary.wanted == "auto"
    assert summary.k == len(np.unique(np.concatenate([classes.ravel() for classes in truth])))
    assert summary.heights[summary.k - 2] < 0.15 <= summary.heights[summary.k - 1]


def test_a_sample_is_even_seeded_and_said(tmp_path: Path) -> None:
    run_dir, truth = headed(tmp_path, images=20, blank=2)
    every = sum(classes.size for classes in truth[:18])
    config = cluster.Config(**SMALL, patches=300)
    summary = cluster.run(config, run_dir, Runtime())
    assert (summary.patches, summary.of) == (300, every)
    path = run_dir.path("clusters") / "tree.npz"
    first = path.read_bytes()
    path.unlink()
    cluster.run(config, run_dir, Runtime(workers=2))
    assert path.read_bytes() == first
    sample = open_sample(FeatureStore(run_dir.path("features")), most=300, seed=0, track=Runtime().track)
    twice = [sample.collect(lambda block: block.tokens[block.taken].astype(np.float32)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert len(np.unique(twice[0], axis=0)) == 300  # no repeats
    assert sample.counts[18:].tolist() == [0, 0]
    counts = np.array([10, 0, 30])
    drawn = np.mean([sample_counts(counts, most=8, seed=seed) for seed in range(2000)], axis=0)
    np.testing.assert_allclose(drawn, [2, 0, 6], atol=0.15)
    assert sample_counts(counts, most=40, seed=0) is counts


def test_all_patches_take_part_in_the_last_steps(tmp_path: Path) -> None:
    run_dir, truth = headed(tmp_path, images=20, blank=2)
    every = sum(classes.size for classes in truth[:18])
    path, config = run_dir.path("features").parent / "clusters" / "tree.npz", cluster.Config(**SMALL, patches=400)
    found = []
    for workers in (1, 3):
        summary = cluster.run(config, run_dir, Runtime(workers=workers))
        assert (summary.patches, summary.of, summary.cut_only) == (400, every, False)
        found.append(load_tree(path))
        path.unlink()
    np.testing.assert_array_equal(found[0].centers, found[1].centers)
    assert found[0].sizes.sum() == every
    assert [entry.name for entry in run_dir.root.iterdir() if entry.is_file()] == []  # nothing is left behind
    store = FeatureStore(run_dir.path("features"))
    head = build_head(*load_tensors(run_dir.path("head") / "head.safetensors"))
    fields = [smooth_widely(codes(head, store.patches(row)), store.valid(row))[store.valid(row)] for row in range(18)]
    units = np.concatenate(fields)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = units @ found[0].centers.T
    # the tree's numbers are those of all patches, up to codes of 16 bits
    np.testing.assert_allclose(np.bincount(cosines.argmax(1), minlength=len(found[0].sizes)), found[0].sizes, atol=2)
    assert found[0].inertia == pytest.approx(cosines.max(1).mean(), abs=1e-3)
    whole = cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
    assert found[0].inertia > whole.inertia - 0.02  # as tight as where the first steps saw all patches too


def test_a_constant_corpus_is_one_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir, _ = headed(tmp_path, images=3, constant=True)
    summary = cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
    assert summary.k == 1
    assert "only 1 distinct" in caplog.text


def test_more_clusters_than_patches(tmp_path: Path) -> None:
    run_dir, truth = headed(tmp_path, images=1)
    summary = cluster.run(cluster.Config(k=500, n_init=1, max_iter=2), run_dir, Runtime())
    assert summary.wanted == 500
    assert summary.k <= truth[0].size


def test_what_cannot_be_clustered(tmp_path: Path) -> None:
    run_dir, _ = headed(tmp_path / "blank", images=2, blank=2)
    with pytest.raises(CorpusError, match="no crop shows"):
        cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
    run_dir, _ = headed(tmp_path / "broken", images=2)
    path = run_dir.path("head") / "head.safetensors"
    tensors, meta = load_tensors(path)
    save_tensors(path, tensors | {"linear.bias": torch.full((6,), torch.nan)}, meta)
    relist(run_dir, "head")
    with pytest.raises(UsageError, match=r"head.*not all numbers .* are finite.*train\.lr.*segpipe train"):
        cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
