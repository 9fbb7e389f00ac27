"""An even sample of patches."""

import numpy as np

from segpipe.inference.patch_sampler import sample_counts


def test_all_patches_are_taken_where_there_are_no_more_than_wanted():
    counts = np.array([3, 0, 5])
    np.testing.assert_array_equal(sample_counts(counts, most=8, seed=0), counts)


def test_a_sample_is_exact_in_number_never_more_than_there_is_and_even():
    counts = np.array([100, 0, 300])
    found = np.array([sample_counts(counts, most=80, seed=seed) for seed in range(400)])
    assert (found.sum(axis=1) == 80).all()
    assert (found <= counts).all()
    np.testing.assert_allclose(found.mean(axis=0), [20, 0, 60], atol=0.7)  # 4 standard errors
    np.testing.assert_array_equal(found[7], sample_counts(counts, most=80, seed=7))
