from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.records.pairs import PairIndex
from segpipe.store.pairs import NAME, load_pairs, save_pairs


@pytest.mark.parametrize("k", [0, 2])
def test_pairs_read_back(tmp_path: Path, k: int) -> None:
    pairs = PairIndex(np.array([[1, 2], [2, 0], [0, 1]])[:, :k], np.ones((3, k), np.float32))
    save_pairs(pairs, tmp_path)
    again = load_pairs(tmp_path)
    np.testing.assert_array_equal(again.neighbors, pairs.neighbors)
    np.testing.assert_array_equal(again.scores, pairs.scores)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no", b"\x80\x04pickled"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    with pytest.raises(UsageError, match=r"pairs\.npz is missing or damaged.*segpipe mine"):
        load_pairs(tmp_path)
