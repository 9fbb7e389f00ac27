"""Correlations of points where they can be told by hand, and which crop each kind of pair reads."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from segpipe.stages.train.losses.correspondence import (
    LossCrops,
    correlation,
    eagle_shifts,
    feature_correlation,
    sample_groups,
)
from segpipe.stages.train.losses.sampled_points import PointSet


def points(seed: int) -> torch.Tensor:
    """Two crops, 3 x 3 points, 5 features."""
    return torch.randn(2, 3, 3, 5, generator=torch.Generator().manual_seed(seed))


def test_correlations_are_the_cosines_of_scikit_learn_and_nothing_correlates_with_zeros() -> None:
    first, second = points(0), points(1)
    found = correlation(first, second)
    for crop in range(2):
        expected = cosine_similarity(first[crop].flatten(0, 1), second[crop].flatten(0, 1))
        np.testing.assert_allclose(found[crop].reshape(9, 9), expected, atol=1e-6)
    assert not correlation(first, 0 * second).any()


def test_spatial_centering_keeps_the_mean_and_takes_from_each_point_its_own() -> None:
    first, second = points(0).requires_grad_(), points(1)
    plain, centered = (feature_correlation(first, second, pointwise=pointwise) for pointwise in (False, True))
    assert not plain.requires_grad
    assert not centered.requires_grad
    assert centered.mean().item() == pytest.approx(plain.mean().item(), abs=1e-6)
    means = centered.mean((3, 4))
    torch.testing.assert_close(means, means.mean().expand(means.shape), atol=1e-6, rtol=0)
    rest = plain - centered  # one number a point
    torch.testing.assert_close(rest, rest[..., :1, :1].expand(rest.shape), atol=1e-6, rtol=0)


def test_shifts_of_eagle_and_their_slopes() -> None:
    target = torch.tensor([0.1, 0.3])
    found = torch.tensor([0.5, 0.9], requires_grad=True)
    shifts = eagle_shifts(0.0)
    positive, negative = shifts["self"](target, found), shifts["negative"](target, found)
    assert positive.item() == pytest.approx(0.5)
    assert negative.item() == pytest.approx(3.15)
    (near,) = torch.autograd.grad(positive, found)
    (far,) = torch.autograd.grad(negative, found)
    assert near.tolist() == pytest.approx([0.5, 0.5])
    assert far.tolist() == pytest.approx([1.75, 1.75])
    assert shifts["neighbor"](found.detach(), target).item() == pytest.approx(0.5)  # never negative
    biased = eagle_shifts(0.11)
    assert biased["self"](target, found).item() == pytest.approx(0.61)
    assert biased["negative"](target, found).item() == pytest.approx(3.15 - 0.385)


def crops(values: list[float]) -> LossCrops:
    """Crops of one patch each, which hold a number: wherever a point lies, it reads that."""
    tokens = torch.tensor(values)[:, None, None]
    count = len(values)
    return LossCrops(tokens, -tokens, torch.ones(count, 2, dtype=torch.int64), torch.ones(count, 1, dtype=torch.bool))


def test_each_kind_of_pair_reads_its_crops() -> None:
    anchors, neighbors = crops([1.0, 2.0, 3.0]), crops([10.0, 20.0, 30.0])
    rng = torch.Generator().manual_seed(0)
    anchor, groups = sample_groups(anchors, neighbors, rng, samples=2, negatives=4)
    assert {kind: len(found) for kind, found in groups.items()} == {"self": 1, "neighbor": 1, "negative": 4}
    assert anchor.features.shape == (3, 2, 2, 1)
    assert anchor.features[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert groups["self"][0].features.flatten(1).unique(dim=1).flatten().tolist() == [1, 2, 3]
    assert groups["neighbor"][0].features.flatten(1).unique(dim=1).flatten().tolist() == [10, 20, 30]
    for other in groups["negative"]:
        read = other.features[:, 0, 0, 0].tolist()
        assert {*read} <= {1, 2, 3}
        assert all(one != own for one, own in zip(read, (1, 2, 3), strict=True))
        assert torch.equal(other.codes, -other.features)
    _, alone = sample_groups(anchors, None, rng, samples=2, negatives=1)
    assert [*alone] == ["self", "negative"]


def test_features_and_codes_are_read_between_patches_of_the_items_that_are_asked_for() -> None:
    tokens = torch.tensor([[[0.0], [4.0], [8.0], [12.0]], [[1.0], [3.0], [9.0], [9.0]]])
    grids = torch.tensor([[2, 2], [1, 2]])
    both = LossCrops(tokens, 10 * tokens, grids, torch.ones(2, 4, dtype=torch.bool))
    found = both.gather(PointSet(False, torch.tensor([1, 0]), torch.tensor([[[[0.0, 0.0]]], [[[-1.0, 0.5]]]])))
    assert found.features.flatten().tolist() == pytest.approx([2, 6])
    assert found.codes.flatten().tolist() == pytest.approx([20, 60])
