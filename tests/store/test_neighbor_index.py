from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import MachineError
from segpipe.ops.clustering.knn import Kind, build, unit_rows
from segpipe.store.neighbor_index import load_index, save_index


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_an_index_finds_the_same_after_it_was_read(tmp_path: Path, kind: Kind) -> None:
    units, _ = unit_rows(np.random.default_rng(0).normal(size=(800, 8)))
    index = build(units, kind, depth=9)
    save_index(index, tmp_path / "folder" / "index.faiss")
    again = load_index(tmp_path / "folder" / "index.faiss")
    for expected, found in zip(index.search(units[:50], 9), again.search(units[:50], 9), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["index.faiss"]


def test_a_damaged_index_is_told(tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    path.write_bytes(b"no index")
    for _ in range(2):
        with pytest.raises(MachineError, match=r"index.faiss is gone or damaged; delete its folder"):
            load_index(path)
        path.unlink(missing_ok=True)
