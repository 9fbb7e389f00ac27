from pathlib import Path

import numpy as np

from segpipe.records.features import FeatureHeader
from segpipe.store.batch_reader import read_batch, read_crops
from segpipe.store.features import CropFeatures, FeatureStore, FeatureWriter, create_features
from segpipe.store.valid_patches import Valid


def test_crops_come_without_what_pads_their_grids(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grids = np.array([[2, 3], [3, 2], [1, 3], [3, 3]])
    create_features(tmp_path, FeatureHeader("b", "token", (-1,), 48, 16, 5, "mean", False), grids)
    items = [
        CropFeatures(rng.normal(size=(*g, 5)).astype(np.float16), np.ones(5), rng.random(tuple(g)) > 0.3) for g in grids
    ]
    writer = FeatureWriter(tmp_path)
    for rows in writer.pending():
        writer.write(rows, [items[row] for row in rows])
    store = FeatureStore(tmp_path)
    valid = Valid(store)
    found = read_crops(store, valid, np.array([2, 0, 2]))
    assert found.tokens.shape == (3, 6, 5)  # the largest of these, not of the corpus
    for place, row in enumerate((2, 0, 2)):
        size = int(grids[row].prod())
        np.testing.assert_array_equal(found.tokens[place, :size], items[row].patches.reshape(-1, 5))
        np.testing.assert_array_equal(found.valid[place, :size], items[row].valid.ravel())
        assert not found.tokens[place, size:].any()
        assert not found.valid[place, size:].any()
    np.testing.assert_array_equal(found.grids, grids[[2, 0, 2]])
    batch = read_batch(store, valid, 4, np.array([1]), np.array([3]))
    assert batch.step == 4
    np.testing.assert_array_equal(batch.anchors.tokens[0], items[1].patches.reshape(-1, 5))
    assert batch.neighbors is not None
    np.testing.assert_array_equal(batch.neighbors.tokens[0], items[3].patches.reshape(-1, 5))
    assert read_batch(store, valid, 0, np.array([1]), None).neighbors is None
