"""Hidden positives on crops of few directions, where who is whose positive can be counted."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from segpipe.stages.train.losses.hidden_positive_loss import Space, contrast, hidden_positive_losses, mix_neighbors

AXES = torch.eye(3)
EVERY = torch.ones(1, 4, dtype=torch.bool)


def test_positives_are_nearer_to_each_other_than_one_of_them_is_to_the_pool() -> None:
    angles = torch.tensor([0.0, 20.0, 50.0, 90.0]) * math.pi / 180
    features = torch.stack([angles.cos(), angles.sin()], dim=-1)[None] * 7
    pool = torch.tensor([80.0, -100.0]) * math.pi / 180
    space = Space.of(features, torch.stack([pool.cos(), pool.sin()], dim=-1) * 0.1)
    assert space.limits[0].tolist() == pytest.approx([0.173648, 0.5, 0.866025, 0.984808], abs=1e-5)  # 80, 60, 30, 10
    # 20, 30 and 50 degrees are near enough for one of the two; the last is too near the pool for all but itself
    assert space.positives(0).tolist() == [
        [True, True, True, False],
        [True, True, True, False],
        [True, True, True, False],
        [False, False, False, True],
    ]


def test_contrast_with_one_positive_each_is_torchs_cross_entropy() -> None:
    units = functional.normalize(torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    targets = torch.tensor([2, 0, 3, 1])
    weights = functional.one_hot(targets, 4).float()
    found = contrast(units, weights, torch.ones(4, 4, dtype=torch.bool), 0, temperature=0.3)
    expected = functional.cross_entropy(units[0] @ units[0].T / 0.3, targets)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert contrast(units, 0 * weights, torch.ones(4, 4, dtype=torch.bool), 0, temperature=0.3).item() == 0


def test_equal_codes_cost_the_logarithm_of_how_many_stand_against_each_other() -> None:
    """Two pairs of patches, each pair the other's negative; codes that tell nothing make every pair as likely."""
    space = Space.of(AXES[[0, 0, 1, 1]][None], AXES[[2]])
    codes = torch.ones(1, 4, 2)
    expected = {None: math.log(3), "none": 0.0}  # against three others, or against the one positive alone
    for random, cost in expected.items():
        others = None if random is None else torch.zeros(4, 4, dtype=torch.bool)
        for share in (0.0, 1.0):
            (found,) = hidden_positive_losses(
                (codes,), space, space, EVERY, share=share, random=others, temperature=0.14
            )
            assert found.item() == pytest.approx(2 * cost, abs=1e-5)  # times temperature / 0.07


def test_positives_of_trained_codes_count_by_their_share() -> None:
    """Patches 0 and 1 are positives by the frozen features, 0 to 2 by the trained ones; 3 is none's."""
    frozen = Space.of(AXES[[0, 0, 1, 2]][None], AXES[[1, 2]])
    trained = Space.of(AXES[[0, 0, 0, 2]][None], AXES[[1, 2]])
    codes = AXES[[0, 0, 1, 1]][None]
    (without,), (half,) = (
        hidden_positive_losses((codes,), frozen, trained, EVERY, share=share, random=None, temperature=0.07)
        for share in (0.0, 0.5)
    )
    other, wide = 1 / 0.07, math.log(2 * math.exp(-1 / 0.07) + 1)  # score of an equal code, and sum above it
    assert without.item() == pytest.approx(wide, abs=1e-5)
    # of each anchor's weight of 2 a quarter now asks for patch 2, whose code is at right angles
    assert half.item() == pytest.approx(wide + other / 4, rel=1e-5)


def test_what_is_not_valid_is_no_positive_and_no_negative() -> None:
    space = Space.of(AXES[[0, 0, 1, 1]][None], AXES[[2]])
    valid = torch.tensor([[True, True, True, False]])
    (found,) = hidden_positive_losses(
        (torch.ones(1, 4, 2),), space, space, valid, share=0.0, random=None, temperature=0.07
    )
    assert found.item() == pytest.approx(math.log(2), abs=1e-5)  # 0 and 1 against each other and 2


def test_of_one_material_neighbors_are_averaged_and_weights_are_28_over_the_patches() -> None:
    codes = torch.randn(1, 20, 3, generator=torch.Generator().manual_seed(0))
    field, grids = codes[0].reshape(4, 5, 3).numpy(), torch.tensor([[4, 5]])
    valid, window = torch.ones(1, 20, dtype=torch.bool), np.ones((3, 3, 1))
    mean = ndimage.convolve(field, window, mode="constant") / ndimage.convolve(
        np.ones((4, 5, 1)), window, mode="constant"
    )
    one = mix_neighbors(codes, AXES[[0] * 20][None], valid, grids)
    np.testing.assert_allclose(one[0].reshape(4, 5, 3), mean * 28 / 20, atol=1e-5)


def test_of_two_materials_none_cross_the_border() -> None:
    left = AXES[[0, 0, 1, 1, 1] * 4][None]
    codes = torch.zeros(1, 20, 2)
    codes[0, :, 0], codes[0, :, 1] = left[0, :, 0], left[0, :, 1]
    found = mix_neighbors(codes, left, torch.ones(1, 20, dtype=torch.bool), torch.tensor([[4, 5]]))[0].view(4, 5, 2)
    assert (found[:, :2, 0] > 0).all()
    assert (found[:, :2, 1] == 0).all()
    assert (found[:, 2:, 1] > 0).all()
    assert (found[:, 2:, 0] == 0).all()


def test_what_is_not_valid_is_mixed_into_nothing() -> None:
    valid = torch.tensor([[True, True, False]])
    codes = torch.tensor([[[1.0], [1.0], [torch.inf]]])
    found = mix_neighbors(codes, AXES[[0, 0, 0]][None], valid, torch.tensor([[1, 3]]))
    assert found[0, :2, 0].tolist() == pytest.approx([14, 14])  # 28 over two patches
    dark = mix_neighbors(codes, AXES[[0, 0, 0]][None], valid & False, torch.tensor([[1, 3]]))
    assert not dark.any()
