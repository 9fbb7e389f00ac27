import numpy as np

from segpipe.ops.crf.meanfield import absent


def test_only_what_is_allowed_and_makes_rows_narrower_is_dropped() -> None:
    losses = np.full(27, 1e-6)
    losses[[2, 5, 26]] = 1.0
    np.testing.assert_array_equal(absent(losses, 1e-3), np.delete(np.arange(27), [2, 5, 26])[:19])
    assert len(absent(losses, 1e-5)) == 0  # ten of them would leave 17, as wide as 27
    assert len(absent(losses, 1.2e-5)) == 11
    assert len(absent(losses, 0.0)) == 0
    assert len(absent(np.zeros(8), 1.0)) == 0
