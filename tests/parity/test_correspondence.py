"""The loss and its sampling against slow plain statements of the published formulas (STEGO, equations 1 to 4)."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from segpipe.stages.train.losses import correspondence as ops
from segpipe.stages.train.losses.correspondence import LossCrops, SampledVectors
from tests.helpers.stego_loss import correspondence_loss, stego_loss

B, S, D, C = 3, 4, 6, 5


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit(x: list[float]) -> list[float]:
    length = math.sqrt(sum(v * v for v in x))
    return [v / length for v in x]


def slow_loss(
    f1: np.ndarray,
    f2: np.ndarray,
    c1: np.ndarray,
    c2: np.ndarray,
    shift: float,
    pointwise: bool,
    zero: bool,
    stable: bool,
) -> float:
    """Mean over items and pairs of points of -clamp(C) (F - b), in double precision and with Python loops."""
    items, points = f1.shape[0], f1.shape[1]
    feature = np.zeros((items, points, points))
    code = np.zeros((items, points, points))
    for b in range(items):
        for p in range(points):
            for q in range(points):
                feature[b, p, q] = sum(x * y for x, y in zip(unit(f1[b, p]), unit(f2[b, q]), strict=True))
                code[b, p, q] = sum(x * y for x, y in zip(unit(c1[b, p]), unit(c2[b, q]), strict=True))
    if pointwise:
        old = feature.mean()
        for b in range(items):
            for p in range(points):
                feature[b, p] -= sum(feature[b, p]) / points
        feature = feature - feature.mean() + old
    total = 0.0
    for c, f in zip(code.ravel(), feature.ravel(), strict=True):
        c = max(c, 0.0 if zero else -9999.0)
        c = min(c, 0.8) if stable else c
        total += -c * (f - shift)
    return total / code.size


@pytest.mark.parametrize("pointwise", [False, True])
@pytest.mark.parametrize("zero_clamp", [False, True])
@pytest.mark.parametrize("stabilize", [False, True])
def test_loss_is_the_published_one(pointwise: bool, zero_clamp: bool, stabilize: bool) -> None:
    rng = np.random.default_rng(1)
    f1, f2 = (rng.normal(0.4, 1, (B, S * S, D)) for _ in range(2))
    c1, c2 = (rng.normal(0.4, 1, (B, S * S, C)) for _ in range(2))
    tensors = [torch.tensor(x, dtype=torch.float32).view(B, S, S, -1) for x in (f1, f2, c1, c2)]
    loss, codes, features = correspondence_loss(
        *tensors, shift=0.3, pointwise=pointwise, zero_clamp=zero_clamp, stabilize=stabilize
    )
    assert loss.shape == codes.shape == features.shape == (B, S, S, S, S)
    assert loss.mean().item() == pytest.approx(
        slow_loss(f1, f2, c1, c2, 0.3, pointwise, zero_clamp, stabilize), abs=1e-5
    )


def test_total_weighs_the_three_kinds_and_averages_negatives() -> None:
    rng = np.random.default_rng(2)
    arrays = [(rng.normal(size=(B, S * S, D)), rng.normal(size=(B, S * S, C))) for _ in range(4)]
    points = [
        SampledVectors(*(torch.tensor(x, dtype=torch.float32).view(B, S, S, -1) for x in pair)) for pair in arrays
    ]
    shifts = {"self": 0.08, "neighbor": 0.02, "negative": 0.66}
    weights = {"self": 0.67, "neighbor": 0.25, "negative": 0.63}
    total, terms = stego_loss(
        points[0],
        {"self": points[:1], "neighbor": points[1:2], "negative": points[2:]},
        weights=weights,
        shifts=shifts,
        pointwise=True,
        zero_clamp=True,
        stabilize=False,
    )
    expected = {
        name: np.mean(
            [
                slow_loss(arrays[0][0], arrays[i][0], arrays[0][1], arrays[i][1], shifts[name], True, True, False)
                for i in others
            ]
        )
        for name, others in {"self": [0], "neighbor": [1], "negative": [2, 3]}.items()
    }
    for name, value in expected.items():
        assert terms[name].loss.item() == pytest.approx(value, abs=1e-5)
    assert total.item() == pytest.approx(sum(weights[name] * value for name, value in expected.items()), abs=1e-5)


def test_gradients_flow_through_codes_alone() -> None:
    rng = torch.Generator().manual_seed(3)
    tensors = [torch.randn(B, S, S, n, generator=rng, requires_grad=True) for n in (D, D, C, C)]
    loss, _, features = correspondence_loss(*tensors, shift=0.1, pointwise=True, zero_clamp=True, stabilize=False)
    loss.mean().backward()
    assert not features.requires_grad
    assert [t.grad is not None for t in tensors] == [False, False, True, True]


def slow_bilinear(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """One token of an image (rows, cols, d) at (x, y) in [-1, 1], border clamped, corners aligned."""
    rows, cols, _ = image.shape
    px = min(max((x + 1) / 2 * (cols - 1), 0), cols - 1)
    py = min(max((y + 1) / 2 * (rows - 1), 0), rows - 1)
    x0, y0 = math.floor(px), math.floor(py)
    found = np.zeros(image.shape[2])
    for row, wy in ((y0, 1 - (py - y0)), (y0 + 1, py - y0)):
        for col, wx in ((x0, 1 - (px - x0)), (x0 + 1, px - x0)):
            found += wy * wx * image[min(row, rows - 1), min(col, cols - 1)]
    return found


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=4), st.booleans(), st.integers(0, 99)
)
def test_bilinear_reads_each_items_own_grid(grids: list[tuple[int, int]], grad: bool, seed: int) -> None:
    rows, cols = (max(side) for side in zip(*grids, strict=True))
    whole = torch.randn(len(grids), rows * cols, D, generator=generator(seed))
    tokens = whole.clone().requires_grad_(grad)
    coords = ops.sample_coords(generator(seed + 1), len(grids), S)
    coords[0, 0, 0], coords[0, 0, 1], coords[0, 1, 0] = torch.tensor([[-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    found = ops.bilinear(tokens, torch.tensor(grids), coords).detach()
    for i, (r, c) in enumerate(grids):
        image = whole[i, : r * c].view(r, c, D)
        theirs = functional.grid_sample(
            image.permute(2, 0, 1)[None], coords[i : i + 1], mode="bilinear", padding_mode="border", align_corners=True
        )
        torch.testing.assert_close(found[i], theirs[0].permute(1, 2, 0), atol=1e-5, rtol=0)
        for p in range(S):
            x, y = coords[i, p, 1].tolist()
            np.testing.assert_allclose(found[i, p, 1], slow_bilinear(image.double().numpy(), x, y), atol=1e-5)


def test_gradients_of_bilinear_are_those_of_grid_sample() -> None:
    tokens = torch.randn(2, 5, 7, C, generator=generator(), requires_grad=True)
    coords = ops.sample_coords(generator(1), 2, S)
    weight = torch.randn(2, S, S, C, generator=generator(2))
    (ops.bilinear(tokens.flatten(1, 2), torch.tensor([[5, 7]] * 2), coords) * weight).sum().backward()
    ours, tokens.grad = tokens.grad, None
    found = functional.grid_sample(tokens.permute(0, 3, 1, 2), coords, padding_mode="border", align_corners=True)
    (found.permute(0, 2, 3, 1) * weight).sum().backward()
    torch.testing.assert_close(ours, tokens.grad, atol=1e-5, rtol=0)


def test_coords_are_uniform_over_the_item() -> None:
    coords = ops.sample_coords(generator(), 64, 11)
    assert coords.shape == (64, 11, 11, 2)
    assert coords.dtype == torch.float32
    counts, _ = np.histogram(coords.numpy(), bins=10, range=(-1, 1))
    assert counts.sum() == coords.numel()  # none outside
    assert abs(counts - coords.numel() / 10).max() < 6 * math.sqrt(coords.numel() / 10)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 20), st.integers(0, 1000))
def test_other_indices_are_the_published_permutation(n: int, seed: int) -> None:
    found = ops.other_indices(generator(seed), n).tolist()
    expected = torch.randperm(n, generator=generator(seed)).tolist()
    for i in range(n):
        if expected[i] == i:
            expected[i] += 1
    assert found == [value % n for value in expected]
    assert n == 1 or all(value != i for i, value in enumerate(found))


def test_points_leave_patches_without_image_and_only_those() -> None:
    grids = torch.tensor([[4, 6], [5, 3], [1, 1]])
    valid = torch.zeros(3, 24, dtype=torch.bool)
    valid[0].view(4, 6)[:, :2] = True  # the right of the first item shows nothing
    valid[1, :15] = True
    coords = ops.sample_coords(generator(), 3, 11)
    moved = ops.onto_valid(coords, valid, grids, generator(1))
    assert torch.equal(moved[1:], coords[1:])  # all valid; none valid
    kept = (coords[0, ..., 0] + 1) / 2 * 5 < 1.49
    assert torch.equal(moved[0][kept], coords[0][kept])
    columns = (moved[0, ..., 0] + 1) / 2 * 5
    assert columns.max() < 1.51
    assert not torch.equal(moved[0], coords[0])


def test_sampled_groups_follow_the_published_scheme() -> None:
    features = torch.randn(B, 16, D, generator=generator(5))
    codes = torch.randn(B, 16, C, generator=generator(6))
    grids, valid = torch.full((B, 2), 4), torch.ones(B, 16, dtype=torch.bool)
    anchors, near = LossCrops(features, codes, grids, valid), LossCrops(features + 1, codes + 1, grids, valid)
    anchor, groups = ops.sample_groups(anchors, near, generator(7), samples=S, negatives=2)
    rng = generator(7)
    here, there = ops.sample_coords(rng, B, S), ops.sample_coords(rng, B, S)
    torch.testing.assert_close(anchor.features, ops.bilinear(features, grids, here))
    assert groups["self"] == [anchor]
    torch.testing.assert_close(groups["neighbor"][0].codes, ops.bilinear(codes + 1, grids, there))
    for points in groups["negative"]:
        others = ops.other_indices(rng, B)
        torch.testing.assert_close(points.features, ops.bilinear(features[others], grids, there))
        torch.testing.assert_close(points.codes, ops.bilinear(codes[others], grids, there))
    first = LossCrops(features[:1], codes[:1], grids[:1], valid[:1])
    _, alone = ops.sample_groups(first, None, generator(7), samples=S, negatives=2)
    assert list(alone) == ["self"]
