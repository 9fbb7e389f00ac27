from pathlib import Path

import numpy as np
import pytest

from segpipe.records.features import FeatureHeader
from segpipe.store import valid_patches as module
from segpipe.store.features import CropFeatures, FeatureStore, FeatureWriter, create_features
from segpipe.store.valid_patches import Valid, count_valid, mean_feature


def test_validity_and_mean_of_a_whole_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 4)
    rng = np.random.default_rng(0)
    grids = np.array([[2, 3], [3, 2], [1, 3]] * 4)
    create_features(tmp_path, FeatureHeader("b", "token", (-1,), 48, 16, 5, "mean", False), grids)
    items = [CropFeatures(rng.normal(size=(*g, 5)), np.ones(5), rng.random(tuple(g)) > 0.3) for g in grids]
    items[7] = CropFeatures(items[7].patches, np.zeros(5), np.zeros(tuple(grids[7]), bool))
    writer = FeatureWriter(tmp_path)
    for rows in writer.pending():
        writer.write(rows, [items[row] for row in rows])
    store = FeatureStore(tmp_path)
    valid = Valid(store)
    assert valid.crops.tolist() == [row for row in range(12) if items[row].valid.any()]
    assert 7 not in valid.crops
    assert valid.counts().tolist() == [item.valid.sum() for item in items]
    assert count_valid(store).tolist() == valid.counts().tolist()
    span = Valid(store, range(5, 10))
    assert span.crops.tolist() == [row for row in valid.crops.tolist() if 5 <= row < 10]
    np.testing.assert_array_equal(span(np.array([9, 5])), valid(np.array([9, 5])))
    for place, row in enumerate([3, 0, 7]):
        block = valid(np.array([3, 0, 7]))[place]
        r, c = grids[row]
        np.testing.assert_array_equal(block[:r, :c], items[row].valid)
        assert block.sum() == items[row].valid.sum()
    expected = np.concatenate([item.patches[item.valid].astype(np.float16) for item in items]).astype(float).mean(0)
    np.testing.assert_allclose(mean_feature(store, valid, seed=0), expected, atol=1e-6)
    sampled = mean_feature(store, valid, seed=0, most=3)
    assert np.abs(sampled - expected).max() > 1e-3
    np.testing.assert_array_equal(sampled, mean_feature(store, valid, seed=0, most=3))
