"""Masks of two plain halves, and a fit that cannot go wrong (formulas are in tests/parity)."""

import numpy as np
import torch

from segpipe.stages.cluster.primaps_em import NO_REGION, fit, principal_masks, regions


def test_two_halves_are_two_regions_and_invalid_patches_are_in_none() -> None:
    features = np.zeros((4, 6, 3))
    features[:, :3, 0], features[:, 3:, 1] = 1, 1
    valid = np.ones((4, 6), bool)
    valid[0, 0] = False
    found = regions(principal_masks(features, valid), valid, smooth=1)
    assert found[0, 0] == NO_REGION
    left, right = np.unique(found[:, :3][valid[:, :3]]), np.unique(found[:, 3:])
    assert sorted([*left, *right]) == [0, 1]


def test_a_fit_keeps_directions_that_are_right_already() -> None:
    features = torch.eye(2).repeat_interleave(4, 0)[None] * 10
    parts, valid = torch.tensor([[0] * 4 + [1] * 4]), torch.ones(1, 8, dtype=torch.bool)
    found = fit([(features, parts, valid)] * 20, torch.eye(2), every=5)
    assert len(found.losses) == 20
    assert (features[0] @ found.directions.T).argmax(1).tolist() == [0] * 4 + [1] * 4
