"""Hidden positives against slow plain statements of their formulas."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from segpipe.stages.train.losses import hidden_positive_loss as ops

GRIDS = [(2, 4), (5, 1), (3, 2)]
B, N, D, C, P = 3, 8, 5, 4, 3
TEMPERATURE, SHARE = 0.4, 0.3


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32)


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(sum(x * y) / np.sqrt(sum(x * x)) / np.sqrt(sum(y * y)))


def crops(seed: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    valid = np.arange(N) < np.array([[rows * cols] for rows, cols in GRIDS])
    valid[0, 2] = valid[2, 0] = False
    features = rng.normal(size=(B, N, dim))
    features[~valid] = 30.0  # must not matter
    return features, valid


def slow_loss(
    codes: np.ndarray,
    spaces: list[tuple[np.ndarray, np.ndarray]],
    valid: np.ndarray,
    random: np.ndarray,
    base: float = 0.07,
) -> float:
    """Mean of -(t / base) sum_i (n_i / mean n) (1 / n_i) sum_j w_ij log p_ij over anchors with positives."""
    everything = [(b, i) for b in range(B) for i in range(N) if valid[b, i]]

    def positive(space: tuple[np.ndarray, np.ndarray], one: tuple[int, int], other: tuple[int, int]) -> bool:
        features, pool = space
        lowest = min(max(cosine(features[place], q) for q in pool) for place in (one, other))
        return cosine(features[one], features[other]) > lowest

    items = []
    for b in range(B):
        anchors = []
        for i in range(N):
            if not valid[b, i]:
                continue
            others = [place for place in everything if place != (b, i)]
            near = {place: positive(spaces[0], (b, i), place) for place in others}
            if not any(near.values()):
                continue
            weights = {p: near[p] + SHARE * positive(spaces[1], (b, i), p) for p in others}
            score = {p: cosine(codes[b, i], codes[p]) / TEMPERATURE for p in others}
            wide = np.log(sum(np.exp(score[p]) for p in others if near[p] or random[i, p[0] * N + p[1]]))
            number = sum(weights.values())
            anchors.append((number, sum(weights[p] * (score[p] - wide) for p in others) / number))
        if anchors:
            mean = np.mean([number for number, _ in anchors])
            items.append(-TEMPERATURE / base * np.mean([number / mean * value for number, value in anchors]))
    return float(np.mean(items))


@pytest.mark.parametrize("rho", [0.2, 1.0])
def test_the_losses_are_their_formula(rho: float) -> None:
    (features, valid), (means, _) = crops(0, D), crops(1, C)
    sets = [crops(seed, C)[0] for seed in (2, 3)]
    rng = np.random.default_rng(4)
    pools = [rng.normal(size=(P, dim)) for dim in (D, C)]
    random = rng.random((N, B * N)) < rho
    given = [ops.Space.of(tensor(x), tensor(pool)) for x, pool in zip((features, means), pools, strict=True)]
    found = ops.hidden_positive_losses(
        tuple(tensor(codes) for codes in sets),
        *given,
        torch.from_numpy(valid),
        share=SHARE,
        random=None if rho == 1 else torch.from_numpy(random),
        temperature=TEMPERATURE,
    )
    for codes, loss in zip(sets, found, strict=True):
        expected = slow_loss(codes, [(features, pools[0]), (means, pools[1])], valid, random)
        assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_items_without_positives_are_left_out_and_have_no_gradient() -> None:
    (features, valid), (codes, _) = crops(0, D), crops(2, C)
    space = ops.Space(functional.normalize(tensor(features), dim=-1), torch.full((B, N), 2.0))  # no cosine is so large
    given = tensor(codes).requires_grad_()
    (loss,) = ops.hidden_positive_losses(
        (given,), space, space, torch.from_numpy(valid), share=1.0, random=None, temperature=TEMPERATURE
    )
    loss.backward()
    assert loss.item() == 0
    assert not given.grad.any()


def test_neighbors_are_mixed_by_the_softmax_of_their_clamped_cosine_where_it_is_above_the_mean() -> None:
    (features, valid), (codes, _) = crops(5, D), crops(6, C)
    found = ops.mix_neighbors(tensor(codes), tensor(features), torch.from_numpy(valid), torch.tensor(GRIDS))
    mixed = 0
    for b, (rows, cols) in enumerate(GRIDS):
        shown = [i for i in range(rows * cols) if valid[b, i]]
        for i in shown:
            alike = np.array([cosine(features[b, i], features[b, j]) for j in shown])
            weights = np.exp(np.clip(alike, *np.quantile(alike, [0.1, 0.9])))
            weights *= 28 / weights.sum()
            near = [j for j in shown if abs(i // cols - j // cols) <= 1 and abs(i % cols - j % cols) <= 1]
            kept = [(j, w) for j, w in zip(shown, weights, strict=True) if j in near and w >= weights.mean()]
            mixed += len(kept) > 1
            expected = sum(w * codes[b, j] for j, w in kept) / len(near)
            np.testing.assert_allclose(found[b, i], expected, rtol=1e-4, atol=1e-5)
    assert mixed > 5
