"""SmooSeg's losses against slow plain statements of their formulas."""

import numpy as np
import pytest
import torch

from segpipe.stages.train.losses import smooseg_energy as ops

B, N, D, K = 3, 7, 5, 4


def crops(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, shares, valid: three crops of 7, 5 and 6 patches, one of them without image."""
    rng = np.random.default_rng(seed)
    valid = np.arange(N) < np.array([[7], [5], [6]])
    valid[0, 2] = False
    features, shares = rng.normal(size=(B, N, D)) + 0.3, rng.random((B, N, K))
    features[~valid], shares[~valid] = 50.0, 9.0  # must not matter
    return features, shares, valid


def side(features: np.ndarray, shares: np.ndarray, valid: np.ndarray) -> ops.CropShares:
    tensors = (torch.tensor(array, dtype=torch.float32) for array in (features, shares))
    return ops.CropShares(*tensors, torch.from_numpy(valid))


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(sum(x * y) / np.sqrt(sum(x * x)) / np.sqrt(sum(y * y)))


def slow_smoothness(first: tuple, second: tuple, others: list[int], shift: float, pointwise: bool) -> float:
    pairs = {}
    for b, other in enumerate(others):
        for i in range(N):
            for j in range(N):
                if first[2][b, i] and second[2][other, j]:
                    pairs[b, i, j] = cosine(first[0][b, i], second[0][other, j])
    alike = dict(pairs)
    if pointwise:
        for b, i, j in pairs:
            alike[b, i, j] -= np.mean([value for key, value in pairs.items() if key[:2] == (b, i)])
        now, before = np.mean([*alike.values()]), np.mean([*pairs.values()])
        alike = {key: value - now + before for key, value in alike.items()}
    return float(
        np.mean([(w - shift) * (1 - cosine(first[1][b, i], second[1][others[b], j])) for (b, i, j), w in alike.items()])
    )


@pytest.mark.parametrize("pointwise", [False, True])
@pytest.mark.parametrize("others", [[0, 1, 2], [2, 0, 0]])
def test_smoothness_is_its_formula(pointwise: bool, others: list[int]) -> None:
    arrays = crops(0)
    first = side(*arrays)
    found = ops.smoothness_loss(first, first.take(torch.tensor(others)), shift=0.2, pointwise=pointwise)
    assert found.item() == pytest.approx(slow_smoothness(arrays, arrays, others, 0.2, pointwise), abs=1e-5)


def test_the_data_loss_is_a_cross_entropy_of_cosines() -> None:
    codes, _, valid = crops(1)
    rng = np.random.default_rng(2)
    prototypes, targets = rng.normal(size=(K, D)), rng.integers(K, size=(B, N))
    total = []
    for b in range(B):
        for i in range(N):
            if valid[b, i]:
                logits = [cosine(codes[b, i], prototype) for prototype in prototypes]
                total.append(-logits[targets[b, i]] + np.log(sum(np.exp(logits))))
    tensors = [torch.tensor(array, dtype=torch.float32, requires_grad=True) for array in (codes, prototypes)]
    found = ops.data_loss(*tensors, torch.from_numpy(targets), torch.from_numpy(valid))
    assert found.item() == pytest.approx(np.mean(total), abs=1e-5)
    found.backward()
    assert tensors[0].grad is None
    assert tensors[1].grad is not None


def test_nothing_valid_costs_nothing() -> None:
    features, shares, valid = crops(3)
    none = side(features, shares, valid & False)
    assert ops.smoothness_loss(none, none, shift=0.2, pointwise=True).item() == 0
    codes = torch.tensor(features, dtype=torch.float32)
    targets = torch.zeros(B, N, dtype=torch.int64)
    assert ops.data_loss(codes, torch.randn(K, D), targets, none.valid).item() == 0


def test_what_invalid_patches_hold_changes_no_gradient() -> None:
    grads = []
    for filler in (9.0, -3.0):
        features, shares, valid = crops(4)
        features[~valid], shares[~valid] = filler, filler
        tensor = torch.tensor(shares, dtype=torch.float32, requires_grad=True)
        one = ops.CropShares(torch.tensor(features, dtype=torch.float32), tensor, torch.from_numpy(valid))
        ops.smoothness_loss(one, one.take(torch.tensor([1, 2, 0])), shift=0.2, pointwise=True).backward()
        grads.append(tensor.grad)
    assert torch.equal(*grads)
    assert not grads[0][torch.from_numpy(~valid)].any()
