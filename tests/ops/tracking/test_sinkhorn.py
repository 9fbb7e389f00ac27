"""Sinkhorn-Knopp in logarithms: margins, and scores that single precision cannot hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.ops.tracking.sinkhorn import assign


def drawn(patches: int, objects: int, seed: int, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).standard_normal((patches, objects))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 99))
def test_the_shares_of_a_patch_add_up_to_one(patches: int, objects: int, seed: int) -> None:
    shares = assign(drawn(patches, objects, seed))
    assert shares.shape == (patches, objects)
    assert np.allclose(shares.sum(axis=1), 1)
    assert shares.min() >= 0


def test_objects_get_the_same_mass() -> None:
    shares = assign(drawn(60, 4, 1, scale=0.1), rounds=2000)
    assert np.allclose(shares.sum(axis=0), 15, atol=1e-6)


def test_the_paper_s_plan_is_the_coded_one_over_the_patches() -> None:
    scores = drawn(24, 3, 2)
    assert np.allclose(assign(scores, rule="paper") * 24, assign(scores))


def test_scores_far_apart_stay_numbers() -> None:
    """exp(-400 / .05) is 0 in any precision; an object that loses every patch would give 0 / 0."""
    shares = assign(np.array([[0.0, -400.0], [-1.0, -400.0], [-2.0, -400.0]]))
    assert np.isfinite(shares).all()
    assert np.allclose(shares.sum(axis=1), 1)
    assert shares[:, 1].sum() == pytest.approx(1.5, abs=0.2)


def test_a_patch_goes_to_the_object_that_it_is_like() -> None:
    shares = assign(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    assert shares.argmax(axis=1).tolist() == [0, 0, 1, 1]
    assert shares.max(axis=1).min() > 0.99
