"""The permutohedral lattice against a slow plain statement of it: a dictionary of vertices, in 64 bits."""

import numpy as np
import pytest

from segpipe.base.parallel import ThreadTeam
from segpipe.ops.crf.permutohedral import build_lattice, normalize, place, roots
from tests.helpers.lattice_filter import WIDTH, our_filter, plain_filter


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize(("d", "spread"), [(2, 3.0), (2, 0.2), (5, 1.2), (5, 4.0), (3, 1.0)])
def test_filters_as_the_plain_statement_does(d: int, spread: float, tiled: bool) -> None:
    rng = np.random.default_rng(d)
    features, values = rng.normal(scale=spread, size=(90, d)).astype(np.float32), rng.random((90, WIDTH))
    wanted = plain_filter(features.astype(float), values)
    with ThreadTeam(1) as crew:
        lattice = place(features, crew, tiled=tiled)
        np.testing.assert_allclose(our_filter(lattice, values), wanted, rtol=2e-4, atol=2e-5)
        sums = plain_filter(features.astype(float), np.ones((90, 1)))
        found = roots(lattice, crew)
        np.testing.assert_allclose(found, 1 / np.sqrt(sums[:, 0]), rtol=1e-4)
        normalize(lattice, found, crew)
    both = plain_filter(features.astype(float), values / np.sqrt(sums)) / np.sqrt(sums)
    np.testing.assert_allclose(our_filter(lattice, values), both, rtol=4e-4, atol=2e-5)


def test_filter_is_about_the_gaussian_it_stands_for() -> None:
    """Normalized both ways and summed: the mean value of the neighbors, each counted by its Gaussian."""
    y, x = np.mgrid[:20, :24]
    features = np.stack([x.ravel(), y.ravel()], 1) / 2.0
    values = np.zeros((480, WIDTH))
    values[10 * 24 + 12, 0] = 1
    with ThreadTeam(1) as crew:
        found = our_filter(place(features.astype(np.float32), crew, tiled=True), values)[:, 0]
    distances = ((features - features[10 * 24 + 12]) ** 2).sum(1)
    gaussian = np.exp(-distances / 2)
    np.testing.assert_allclose(found / found.sum(), gaussian / gaussian.sum(), atol=0.02)
    assert np.corrcoef(found, gaussian)[0, 1] > 0.99


def test_many_tiles_and_threads_change_no_bit() -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(scale=3, size=(12_000, 5)).astype(np.float32)  # enough for threads to share the sorting
    values = rng.random((12_000, WIDTH))
    found = []
    for threads in (1, 3):
        with ThreadTeam(threads) as crew:
            lattice = build_lattice(features, crew)
        found.append(our_filter(lattice, values))
        assert len(lattice.stages) == 2
        assert min(stage.ends.shape[1] for stage in lattice.stages) > 3
    np.testing.assert_array_equal(*found)
    with ThreadTeam(1) as crew:
        whole = place(features, crew, tiled=False)
        normalize(whole, roots(whole, crew), crew)
    np.testing.assert_array_equal(our_filter(whole, values), found[0])


def test_a_reach_that_is_too_small_is_refused() -> None:
    rng = np.random.default_rng(7)
    with ThreadTeam(1) as crew, pytest.raises(ValueError, match="too many lattice points"):
        build_lattice((rng.random((50, 5)) * 1e6).astype(np.float32), crew)
