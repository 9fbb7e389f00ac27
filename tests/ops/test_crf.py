import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.ops.crf import Crf, refine_probabilities


def _mean_field(probabilities: np.ndarray, rgb: np.ndarray, crf: Crf) -> np.ndarray:
    """Brute force: every pixel sends to every pixel; Gaussian kernels, symmetrically normalised, itself included."""
    classes, height, width = probabilities.shape
    at = np.array(list(itertools.product(range(height), range(width))), float)
    colour = rgb.reshape(-1, 3).astype(float)
    near = ((at[:, None] - at) ** 2).sum(-1)
    alike = ((colour[:, None] - colour) ** 2).sum(-1)
    total = np.zeros_like(near)
    for weight, kernel in (
        (crf.gaussian_compat, np.exp(-near / (2 * crf.gaussian_sxy**2))),
        (crf.bilateral_compat, np.exp(-near / (2 * crf.bilateral_sxy**2) - alike / (2 * crf.bilateral_srgb**2))),
    ):
        root = 1 / np.sqrt(kernel.sum(1))
        total += weight * kernel * root[:, None] * root
    unary = -np.log(probabilities.reshape(classes, -1).clip(1e-5))
    q = np.exp(-unary) / np.exp(-unary).sum(0)
    for _ in range(crf.iterations):
        q = np.exp(-unary + q @ total)
        q /= q.sum(0)
    return q.reshape(probabilities.shape)


def _picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Two flat colours with a little noise, the border between them slanted."""
    y, x = np.mgrid[:height, :width]
    flat = np.where((x + 0.3 * y > width / 2)[..., None], (200, 90, 40), (60, 120, 180))
    return (flat + rng.integers(-2, 3, flat.shape)).astype(np.uint8)


@pytest.mark.parametrize("crf", [Crf(), Crf(iterations=3), Crf(bilateral_sxy=8, bilateral_srgb=12, gaussian_compat=1)])
def test_agrees_with_brute_force_mean_field(crf: Crf) -> None:
    rng = np.random.default_rng(3)
    rgb = _picture(rng, 12, 10)
    logits = rng.standard_normal((3, 12, 10)) + 1.2 * np.stack([rgb[..., 0] > 128, rgb[..., 0] <= 128, rgb[..., 0] < 0])
    probabilities = np.exp(logits) / np.exp(logits).sum(0)
    ours, slow = refine_probabilities(probabilities.astype(np.float32), rgb, crf), _mean_field(probabilities, rgb, crf)
    assert (ours.argmax(0) == slow.argmax(0)).mean() > 0.97  # the permutohedral filter is an approximation
    assert np.abs(ours - slow).mean() < 0.05
    assert (slow.argmax(0) != probabilities.argmax(0)).mean() > 0.1  # the field had work to do


def test_probabilities_sum_to_one_and_zeros_do_no_harm() -> None:
    rng = np.random.default_rng(4)
    probabilities = np.zeros((4, 15, 20), np.float32)
    probabilities[rng.integers(0, 4, (15, 20)), *np.mgrid[:15, :20]] = 1
    found = refine_probabilities(probabilities, rng.integers(0, 256, (15, 20, 3), dtype=np.uint8), Crf())
    assert found.shape == (4, 15, 20)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


def test_nothing_known_stays_nothing_known() -> None:
    found = refine_probabilities(np.full((5, 9, 14), 0.2, np.float32), np.full((9, 14, 3), 77, np.uint8), Crf())
    np.testing.assert_allclose(found, 0.2, atol=1e-5)


def test_a_border_moves_to_the_edge_of_the_image() -> None:
    rgb = np.zeros((30, 40, 3), np.uint8)
    rgb[:, 20:] = 200
    right = 1 / (1 + np.exp(-(np.arange(40) - 24.5) / 3))  # the codes put the border five pixels too far right
    probabilities = np.broadcast_to(np.stack([1 - right, right])[:, None], (2, 30, 40)).astype(np.float32)
    labels = refine_probabilities(probabilities, rgb, Crf()).argmax(0)
    assert (probabilities.argmax(0)[:, 20:25] == 0).all()
    np.testing.assert_array_equal(labels, np.broadcast_to(np.arange(40) >= 20, (30, 40)))


def test_colour_order_and_read_only_memory_make_no_difference() -> None:
    rng = np.random.default_rng(5)
    rgb = _picture(rng, 20, 16)
    rgb.flags.writeable = False
    probabilities = rng.dirichlet([1, 1, 1], (20, 16)).transpose(2, 0, 1).astype(np.float32)
    first, second = (refine_probabilities(probabilities, image, Crf()) for image in (rgb, rgb[..., ::-1]))
    assert (first.argmax(0) == second.argmax(0)).mean() > 0.97  # equal but for the filter's approximation
    np.testing.assert_array_equal(first, refine_probabilities(probabilities, rgb, Crf()))


@settings(max_examples=25, deadline=None)
@given(classes=st.integers(1, 6), height=st.integers(1, 9), width=st.integers(1, 9))
def test_any_small_shape_works(classes: int, height: int, width: int) -> None:
    rng = np.random.default_rng(classes + 10 * height + 100 * width)
    probabilities = rng.dirichlet(np.ones(classes), (height, width)).transpose(2, 0, 1).astype(np.float32)
    found = refine_probabilities(probabilities, rng.integers(0, 256, (height, width, 3), dtype=np.uint8), Crf())
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


def test_wrong_input_is_refused() -> None:
    half = np.full((2, 4, 5), 0.5, np.float32)
    with pytest.raises(ValueError, match=r"rgb must be \(4, 5, 3\)"):
        refine_probabilities(half, np.zeros((5, 4, 3), np.uint8), Crf())
    with pytest.raises(ValueError, match="finite"):
        refine_probabilities(half * np.nan, np.zeros((4, 5, 3), np.uint8), Crf())
