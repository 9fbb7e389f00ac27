import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.nn.head import build_head, codes
from segpipe.stages import mine, train
from segpipe.store.checkpoints import load_tensors
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir
from segpipe.store.training_log import load_histograms, load_history
from tests.helpers.planted_run import plant

SMALL = {
    "method": "stego",
    "shifts": "published",
    "steps": 30,
    "batch": 4,
    "dim": 6,
    "samples": 4,
    "checkpoint_every": 10,
    "tensorboard": False,
}


pytestmark = pytest.mark.usefixtures("one_torch_thread")


def mined(root: Path, **planted: Any) -> RunDir:
    run_dir, _ = plant(root, **planted)
    mine.run(mine.Config(), run_dir, Runtime())
    return run_dir


class Killed(BaseException):
    pass


def stopping(at: int) -> Runtime:
    """A runtime that dies before step `at`."""

    def track(items: Iterable[Any], *, total: int, unit: str, done: int = 0) -> Iterator[Any]:
        for i, item in enumerate(items, done):
            if i == at:
                raise Killed
            yield item

    return Runtime(track=track)


def test_a_training_that_was_killed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=9)
    config = train.Config(**SMALL)
    whole = train.run(config, run_dir, Runtime())
    kept = tmp_path / "kept"
    shutil.move(run_dir.path("head"), kept)
    for at in (5, 17, 29):  # before the first checkpoint, between two, after the last
        with pytest.raises(Killed):
            train.run(config, run_dir, stopping(at))
    assert train.run(config, run_dir, Runtime()) == whole
    names = sorted(path.name for path in kept.iterdir())
    assert names == ["SHA256SUMS", "candidates.json", "head.safetensors", "histograms.npz", "history.jsonl"]
    assert sorted(path.name for path in run_dir.path("head").iterdir()) == names
    for name in names:
        assert (run_dir.path("head") / name).read_bytes() == (kept / name).read_bytes(), name


def test_checkpoint_interval_and_events_do_not_change_the_result(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=6)
    found = []
    for changes in ({}, {"checkpoint_every": 7}):
        train.run(train.Config(**SMALL | changes), run_dir, Runtime())
        found.append((run_dir.path("head") / "head.safetensors").read_bytes())
    assert found[0] == found[1]
    assert train.Config(checkpoint_every=3, tensorboard=False).identity() == train.Config().identity()


def test_history_and_histograms(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=6)
    summary = train.run(train.Config(**SMALL), run_dir, Runtime())
    rows = load_history(run_dir.path("head"))
    assert [row["step"] for row in rows] == [0, 10, 20, 29]
    for row in rows:
        weights = {"self": 0.67, "neighbor": 0.25, "negative": 0.63}
        assert row["loss"] == pytest.approx(sum(w * row[f"loss_{kind}"] for kind, w in weights.items()), abs=1e-5)
    steps, edges, counts = load_histograms(run_dir.path("head"))
    assert steps.tolist() == [0, 7, 15, 22, 29]
    pairs = 4 * 4**4
    assert {name: series[0].sum() for name, series in counts.items()} == {
        f"{what}_{kind}": pairs * (5 if kind == "negative" else 1)
        for kind in ("self", "neighbor", "negative")
        for what in ("code", "feature")
    }
    assert counts["code_self"].shape == (5, len(edges) - 1)
    assert summary.code_correlation.keys() == {"self", "neighbor", "negative"}
    assert json.loads(summary.model_dump_json())["steps"] == 30


def test_the_mean_feature_is_in_the_head_when_centering(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=5, blank=1)
    store = FeatureStore(run_dir.path("features"))
    for center in (True, False):
        train.run(train.Config(**SMALL | {"steps": 1, "center": center}), run_dir, Runtime())
        head = build_head(*load_tensors(run_dir.path("head") / "head.safetensors"))
        patches = np.concatenate([store.patches(row).reshape(-1, 16) for row in range(4)]).astype(float)
        np.testing.assert_allclose(head.mean.numpy(), patches.mean(0) if center else 0, atol=1e-5)


def test_small_corpora(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = mined(tmp_path / "three", images=4, blank=1)
    summary = train.run(train.Config(**SMALL), run_dir, Runtime())
    assert (summary.crops, summary.batch, summary.neighbors) == (3, 3, 2)
    assert "train.batch=4" in caplog.text
    summary = train.run(train.Config(**SMALL), mined(tmp_path / "one", images=1), Runtime())
    assert (summary.crops, summary.batch, summary.neighbors) == (1, 1, 0)
    assert list(summary.code_correlation) == ["self"]
    with pytest.raises(CorpusError, match="no crop shows"):
        train.run(train.Config(**SMALL), mined(tmp_path / "none", images=2, blank=2), Runtime())


def test_a_constant_corpus_trains_and_is_called_collapsed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    summary = train.run(train.Config(**SMALL), mined(tmp_path, images=4, constant=True), Runtime())
    assert summary.collapsed
    assert "mean cosine" in caplog.text


def test_a_loss_that_explodes_is_a_setting_to_change(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=4)
    with pytest.raises(UsageError, match=r"train\.lr=.*not finite"):
        train.run(train.Config(**SMALL | {"lr": 1e30}), run_dir, Runtime())


def test_the_loss_goes_down_and_classes_move_apart(tmp_path: Path) -> None:
    run_dir, truth = plant(tmp_path, images=24)
    mine.run(mine.Config(), run_dir, Runtime())
    config = train.Config(**SMALL | {"steps": 150, "batch": 8})
    summary = train.run(config, run_dir, Runtime())
    rows = load_history(run_dir.path("head"))
    assert np.mean([row["loss"] for row in rows[-4:]]) < rows[0]["loss"] - 0.02
    assert not summary.collapsed
    head = build_head(*load_tensors(run_dir.path("head") / "head.safetensors"))
    store = FeatureStore(run_dir.path("features"))
    found = np.concatenate([codes(head, store.patches(row)).reshape(-1, 6) for row in range(24)])
    labels = np.concatenate([classes.ravel() for classes in truth])
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    same = labels[:, None] == labels
    cosines = found @ found.T
    assert cosines[same].mean() > cosines[~same].mean() + 0.6


def test_events_are_written_where_tensorboard_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run_dir = mined(tmp_path, images=4)
    with pytest.raises(Killed):
        train.run(train.Config(**SMALL | {"tensorboard": True}), run_dir, stopping(15))
    train.run(train.Config(**SMALL | {"tensorboard": True}), run_dir, Runtime())
    assert len(list((run_dir.path("head") / "tb").iterdir())) == 2


def test_training_leaves_global_random_state_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = mined(tmp_path, images=4)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with caplog.at_level(logging.INFO):
        train.run(train.Config(**SMALL | {"steps": 3}), run_dir, Runtime())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


def test_runs_of_principal_components_and_stego_keep_the_key_of_earlier_versions() -> None:
    before = train.Config().identity()
    assert before["dropout"] == 0.1
    assert not {"shift_bias", "codebook"} & before.keys()
    assert train.Config(codebook=7, shift_bias=0.1).identity() == before  # no use is made of either
    for given in ({"dropout": 0.2}, {"shifts": "eagle", "shift_bias": 0.11}, {"method": "cause"}, {"method": "hp"}):
        assert {"shift_bias", "codebook"} <= train.Config(**given).identity().keys()


def test_components_are_whitened_by_the_number_of_classes_unless_it_is_said_how_far() -> None:
    config = train.Config()
    assert [config.for_classes(k).components_whitened for k in (1, 3, 6, 11, 23, 35, "auto")] == [1, 1, 2, 3, 6, 9, 8]
    assert config.for_classes(27).identity() != config.for_classes(3).identity()
    assert config.for_classes(9).identity() == config.for_classes(8).identity()
    given = train.Config(whiten=0)
    assert given.for_classes(3) == given.for_classes(4)
    assert given.for_classes(3).identity()["whiten"] == 0
    for other in (
        {"method": "stego"},
        {"candidates": ("pca", "stego")},
    ):  # another number of classes trains nothing anew
        assert train.Config(**other).for_classes(3).identity() == train.Config(whiten=8, **other).identity()
