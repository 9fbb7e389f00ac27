"""Principal masks, pseudo labels and the focal loss against slow plain statements of their formulas."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from segpipe.stages.cluster import primaps_em as ops


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(sum(x * y) / np.sqrt(sum(x * x)) / np.sqrt(sum(y * y)))


def slow_masks(features: np.ndarray, valid: np.ndarray, threshold: float, cover: float) -> list[np.ndarray]:
    places = [(r, c) for r in range(valid.shape[0]) for c in range(valid.shape[1]) if valid[r, c]]
    free, masks = list(places), []
    while len(places) - len(free) < cover * len(places):
        x = np.array([features[place] for place in free])
        direction = np.linalg.svd(x - x.mean(0))[2][0]
        nearest = max(free, key=lambda place: abs(cosine(features[place], direction)))
        mask = np.zeros(valid.shape)
        for place in free:
            value = cosine(features[place], features[nearest])
            mask[place] = value if value >= threshold else 0
        masks.append(mask)
        free = [place for place in free if not mask[place]]
    return masks


@pytest.mark.parametrize("dim", [4, 60])  # fewer and more features than patches
@pytest.mark.parametrize("grid", [(6, 7), (1, 5), (9, 3)])
@pytest.mark.parametrize(("threshold", "cover"), [(0.4, 0.95), (0.7, 0.6)])
def test_masks_are_their_rule(dim: int, grid: tuple[int, int], threshold: float, cover: float) -> None:
    rng = np.random.default_rng(dim)
    features = rng.normal(size=(*grid, dim)) + rng.integers(0, 2, (*grid, 1)) * 2
    valid = rng.random(grid) > 0.2
    expected = slow_masks(features, valid, threshold, cover)
    features[~valid] = 1e3  # must not matter
    found = ops.principal_masks(features, valid, threshold=threshold, cover=cover)
    assert found.dtype == np.float32
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert ((found > 0).sum(0) <= 1).all()


def test_all_alike_is_one_mask_and_nothing_is_none() -> None:
    same = np.ones((3, 4, 5))
    np.testing.assert_allclose(ops.principal_masks(same), np.ones((1, 3, 4)), atol=1e-5)
    assert ops.principal_masks(same, np.zeros((3, 4), bool)).shape == (0, 3, 4)
    assert ops.principal_masks(same * 0).shape == (0, 3, 4)
    assert (ops.regions(np.zeros((0, 3, 4), np.float32)) == -1).all()


@pytest.mark.parametrize("grid", [(6, 7), (1, 5), (9, 3)])
@pytest.mark.parametrize("smooth", [1, 3])
def test_regions_are_the_first_mask_left_by_a_median(grid: tuple[int, int], smooth: int) -> None:
    rng = np.random.default_rng(3)
    features, valid = rng.normal(size=(*grid, 3)), rng.random(grid) > 0.1
    masks = ops.principal_masks(features, valid)
    found = ops.regions(masks, valid, smooth=smooth)
    around = smooth // 2
    for r in range(grid[0]):
        for c in range(grid[1]):
            first = -1
            for i, mask in enumerate(masks):
                padded = np.pad(mask, [(around, around) if side > 1 else (0, 0) for side in grid], mode="reflect")
                if grid[0] == 1:  # a row mirrors onto itself
                    padded = np.repeat(padded, smooth, axis=0)
                if np.median(padded[r : r + smooth, c : c + smooth]) > 0 and valid[r, c]:
                    first = i
                    break
            assert found[r, c] == first


def test_pseudo_labels_are_the_majority_of_each_region() -> None:
    rng = np.random.default_rng(4)
    regions, classes = rng.integers(-1, 4, (3, 30)), rng.integers(5, size=(3, 30))
    found = ops.pseudo_labels(torch.from_numpy(regions), torch.from_numpy(classes), count=5)
    ties = 0
    for b in range(3):
        for i in range(30):
            if regions[b, i] < 0:
                assert found[b, i] == -1
                continue
            votes = [sum(classes[b][regions[b] == regions[b, i]] == k) for k in range(5)]
            ties += sum(vote == max(votes) for vote in votes) > 1
            assert found[b, i] == votes.index(max(votes))
    assert ties
    assert (ops.pseudo_labels(torch.full((1, 4), -1), torch.zeros(1, 4, dtype=torch.int64), count=2) == -1).all()


def test_the_focal_loss_is_its_formula() -> None:
    rng = np.random.default_rng(5)
    logits, labels, valid = rng.normal(size=(2, 6, 4)) * 2, rng.integers(-1, 4, (2, 6)), rng.random((2, 6)) > 0.3
    labels[~valid] = -1
    logits[~valid] = 9.0  # must not matter
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    mean = np.mean([shares[b, i] for b in range(2) for i in range(6) if valid[b, i]], axis=0)
    expected = [
        (1 - mean[labels[b, i]]) ** 2 * -np.log(shares[b, i, labels[b, i]])
        for b in range(2)
        for i in range(6)
        if labels[b, i] >= 0
    ]
    arrays = torch.tensor(logits, dtype=torch.float32), torch.from_numpy(labels), torch.from_numpy(valid)
    assert ops.focal_loss(*arrays).item() == pytest.approx(np.sum(expected) / valid.sum(), abs=1e-5)
    assert ops.focal_loss(arrays[0], arrays[1] * 0 - 1, arrays[2]).item() == 0


def steps(count: int) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Crops of bands of three directions with much noise, and their regions."""
    directions = np.linalg.qr(np.random.default_rng(6).normal(size=(12, 3)))[0].T * 6
    made = []
    for step in range(count):
        rng = np.random.default_rng((7, step))
        rows = [np.repeat(rng.permutation(3), 3) for _ in range(4)]
        x = np.array([directions[np.tile(row[:, None], 8)] for row in rows]) + rng.normal(size=(4, 9, 8, 12)) * 0.5
        valid = rng.random((4, 9, 8)) > 0.1
        x[~valid] = 20.0
        parts = [ops.regions(ops.principal_masks(item, shown), shown) for item, shown in zip(x, valid, strict=True)]
        tensors = torch.tensor(x, dtype=torch.float32), torch.tensor(np.array(parts)), torch.from_numpy(valid)
        made.append(tuple(tensor.flatten(1, 2) for tensor in tensors))
    return made


def test_the_head_is_fitted_to_what_its_running_mean_says_of_regions() -> None:
    given, rng = steps(40), torch.Generator().manual_seed(8)
    truth = torch.tensor(np.linalg.qr(np.random.default_rng(6).normal(size=(12, 3)))[0].T, dtype=torch.float32)
    centers = truth + torch.randn(3, 12, generator=rng) * 0.2
    found = ops.fit(given, centers, lr=0.02, every=5)
    before, after = (functional.cosine_similarity(heads, truth).min() for heads in (centers, found.directions))
    assert after > before
    assert np.mean(found.losses[-5:]) < np.mean(found.losses[:5])
    again = ops.fit(given, centers, lr=0.02, every=5)
    assert torch.equal(found.directions, again.directions)


def test_the_running_mean_begins_with_the_first_snapshot() -> None:
    given = steps(2)
    centers = functional.normalize(torch.randn(3, 12, generator=torch.Generator().manual_seed(9)), dim=1)
    found = ops.fit(given, centers, every=2)
    assert torch.equal(found.directions, found.student)
    again = ops.fit(steps(4), centers, every=2)
    torch.testing.assert_close(again.directions, again.student)  # the second replaces it, as published
    before = ops.fit(given, centers, every=3)
    torch.testing.assert_close(before.directions, centers)
    assert torch.equal(before.student, found.student)
