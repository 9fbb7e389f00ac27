from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.nn.head import build_head, codes, describe_head, new_head
from segpipe.stages import cluster, mine, train
from segpipe.store.checkpoints import load_tensors, save_tensors
from segpipe.store.clusters import load_clusters
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir

from .planted_run import plant

SMALL = {"k": 4, "restarts": 3, "iterations": 20, "baseline_dim": 8}


pytestmark = pytest.mark.usefixtures("one_torch_thread")


def headed(root: Path, **planted: Any) -> tuple[RunDir, list[np.ndarray]]:
    """A planted run with an untrained head."""
    run_dir, truth = plant(root, **planted)
    head = new_head(16, 6, 0.1, seed=0)
    with run_dir.writing("head") as out:
        save_tensors(out / "head.safetensors", head.state_dict(), describe_head(head))
    return run_dir, truth


def labels_of(vectors: np.ndarray, centers: np.ndarray) -> np.ndarray:
    return (vectors.reshape(-1, vectors.shape[-1]) @ centers.T).argmax(1)


def test_codes_and_baseline_find_the_planted_classes(tmp_path: Path) -> None:
    run_dir, truth = plant(tmp_path, images=24)
    mine.run(mine.Config(), run_dir, Runtime())
    settings = {"steps": 150, "batch": 8, "dim": 6, "samples": 5, "tensorboard": False}
    train.run(train.Config(**settings), run_dir, Runtime())
    summary = cluster.run(cluster.Config(**SMALL), run_dir, Runtime(workers=2))
    head = build_head(*load_tensors(run_dir.path("head") / "head.safetensors"))
    ours, base = (load_clusters(run_dir.path("clusters") / f"{name}.npz") for name in ("clusters", "baseline"))
    assert base.components is not None
    assert base.components.shape == (8, 16)
    store = FeatureStore(run_dir.path("features"))
    expected = np.concatenate([classes.ravel() for classes in truth])
    for model, encode in ((ours, lambda patches: codes(head, patches)), (base, base.project)):
        found = np.concatenate([labels_of(encode(store.patches(row)), model.centers) for row in range(24)])
        assert adjusted_rand_score(expected, found) > 0.98
        counts = np.bincount(found, minlength=4)
        assert (np.diff(counts) <= 2).all()  # class 0 is the largest
    assert summary.patches == summary.of == len(expected)
    assert (summary.clusters.k, summary.clusters.dim, summary.baseline.dim) == (4, 6, 8)
    assert summary.clusters.inertia == max(summary.clusters.restarts)
    assert sum(summary.clusters.shares) == pytest.approx(1, abs=1e-4)


def test_a_sample_is_even_seeded_and_said(tmp_path: Path) -> None:
    run_dir, truth = headed(tmp_path, images=20, blank=2)
    every = sum(classes.size for classes in truth[:18])
    config = cluster.Config(**SMALL, patches=300)
    summary = cluster.run(config, run_dir, Runtime())
    assert (summary.patches, summary.of) == (300, every)
    first = (run_dir.path("clusters") / "clusters.npz").read_bytes()
    cluster.run(config, run_dir, Runtime(workers=2))
    assert (run_dir.path("clusters") / "clusters.npz").read_bytes() == first
    sample = cluster.open_sample(FeatureStore(run_dir.path("features")), most=300, seed=0, track=Runtime().track)
    twice = [sample.collect(lambda patches: patches.astype(np.float32)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert len(np.unique(twice[0], axis=0)) == 300  # no repeats
    assert sample.counts[18:].tolist() == [0, 0]
    counts = np.array([10, 0, 30])
    drawn = np.mean([cluster.sample_counts(counts, most=8, seed=seed) for seed in range(2000)], axis=0)
    np.testing.assert_allclose(drawn, [2, 0, 6], atol=0.15)
    assert cluster.sample_counts(counts, most=40, seed=0) is counts


def test_a_constant_corpus_is_one_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir, _ = headed(tmp_path, images=3, constant=True)
    summary = cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
    assert (summary.clusters.k, summary.baseline.k) == (1, 1)
    assert "only 1 distinct" in caplog.text


def test_more_clusters_than_patches(tmp_path: Path) -> None:
    run_dir, truth = headed(tmp_path, images=1)
    summary = cluster.run(cluster.Config(k=500, restarts=1, iterations=2), run_dir, Runtime())
    assert summary.wanted == 500
    assert summary.clusters.k <= truth[0].size
    assert summary.baseline.dim == 16  # no more components than features


def test_what_cannot_be_clustered(tmp_path: Path) -> None:
    run_dir, _ = headed(tmp_path / "blank", images=2, blank=2)
    with pytest.raises(CorpusError, match="no crop shows"):
        cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
    run_dir, _ = headed(tmp_path / "broken", images=2)
    path = run_dir.path("head") / "head.safetensors"
    tensors, meta = load_tensors(path)
    save_tensors(path, tensors | {"linear.bias": torch.full((6,), torch.nan)}, meta)
    with pytest.raises(UsageError, match=r"codes .* not finite.*train\.lr"):
        cluster.run(cluster.Config(**SMALL), run_dir, Runtime())
