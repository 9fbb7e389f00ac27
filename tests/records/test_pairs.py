import numpy as np
import pytest

from segpipe.records.pairs import PairIndex


@pytest.mark.parametrize(
    ("neighbors", "scores", "message"),
    [
        ([[0], [0]], [[1.0], [1.0]], "own neighbor"),
        ([[-1], [0]], [[1.0], [1.0]], "from 0 to 1"),
        ([[1], [0]], [[np.nan], [1.0]], "finite"),
        ([[1], [0]], [[1.0, 2.0], [1.0, 2.0]], r"\(2, 1\)"),
    ],
)
def test_pairs_check_themselves(neighbors: list[list[int]], scores: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PairIndex(np.array(neighbors), np.array(scores, np.float32))
