"""Codes averaged along feature correspondences, against scikit-learn's neighbors and exact cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from segpipe.ops.maps.steady import TEMPERATURE, TOP, FrameCodes, steady


def drawn(rng: np.random.Generator, rows: int, cols: int) -> FrameCodes:
    features = rng.normal(size=(rows, cols, 6)).astype(np.float32)
    return FrameCodes.of(rng.normal(size=(rows, cols, 3)).astype(np.float32), features, np.ones((rows, cols), bool))


@pytest.mark.parametrize("shape", [(3, 4), (1, 2), (5, 5)])
def test_the_mean_is_over_the_nearest_patches_that_another_library_finds(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    frame, others = drawn(rng, 4, 5), [drawn(rng, *shape), drawn(rng, 2, 9)]
    total, weights = frame.codes.reshape(20, 3).astype(float), np.ones(20)
    for other in others:
        found = NearestNeighbors(n_neighbors=min(TOP, len(other.units)), metric="cosine").fit(other.units)
        distances, rows = found.kneighbors(frame.units)
        alike = np.exp(-distances / TEMPERATURE)
        total += (alike[..., None] * other.codes.reshape(-1, 3)[rows]).sum(1)
        weights += alike.sum(1)
    np.testing.assert_allclose(steady(frame, others).reshape(20, 3), total / weights[:, None], atol=1e-5)


def test_a_patch_that_moved_is_followed_and_noise_of_its_code_goes() -> None:
    """Every patch has a direction of its own; frames are shifted by a column and their codes are noisy."""
    rng = np.random.default_rng(0)
    world = rng.normal(size=(6, 12, 64)).astype(np.float32)
    clean = np.sign(world[..., :2])
    seen = [
        FrameCodes.of(
            (clean + rng.normal(size=clean.shape))[:, at : at + 8].astype(np.float32),
            world[:, at : at + 8],
            np.ones((6, 8), bool),
        )
        for at in range(5)
    ]
    before = np.abs(seen[2].codes - clean[:, 2:10]).mean()
    after = np.abs(steady(seen[2], [seen[0], seen[1], seen[3], seen[4]]) - clean[:, 2:10]).mean()
    assert after < 0.7 * before


def test_a_frame_of_another_scene_and_patches_without_image_change_next_to_nothing() -> None:
    rng = np.random.default_rng(1)
    frame = drawn(rng, 3, 3)
    other = FrameCodes(np.full((3, 3, 3), 100, np.float32), np.zeros_like(frame.units))
    np.testing.assert_allclose(steady(frame, [other]), frame.codes, atol=0.03)
    blank = FrameCodes.of(frame.codes, np.ones((3, 3, 6)), np.zeros((3, 3), bool))
    np.testing.assert_array_equal(steady(blank, [frame]), frame.codes)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_alike_frames_change_nothing_and_the_order_of_frames_does_not_count(seed: int, rows: int, cols: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = drawn(rng, rows, cols), drawn(rng, rows, cols)
    same = FrameCodes(np.broadcast_to(one.codes[:1, :1], one.codes.shape), one.units)
    np.testing.assert_allclose(steady(same, [same, same]), same.codes, atol=1e-5)
    np.testing.assert_allclose(steady(one, [one, two]), steady(one, [two, one]), atol=1e-5)
