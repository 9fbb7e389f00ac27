"""SmooSeg's energy on crops of one or two materials, where it can be reckoned by hand."""

import pytest
import torch
from torch.nn import functional

from segpipe.stages.train.losses.smooseg_energy import CropShares, cosines, data_loss, smoothness_loss

AXES = torch.eye(3)


def crop(features: list[int], classes: list[int], *, grad: bool = False) -> CropShares:
    """One crop of patches of some materials and classes, all of it image."""
    shares = AXES[classes][None].clone().requires_grad_(grad)
    return CropShares(AXES[features][None] * 5, shares, torch.ones(1, len(features), dtype=torch.bool))


@pytest.mark.parametrize("pointwise", [False, True])
@pytest.mark.parametrize(
    ("features", "classes", "expected"),
    [
        ([0, 0, 0, 0], [1, 1, 1, 1], 0.0),  # one class: nothing differs
        ([0, 0, 0, 0], [0, 0, 1, 1], 0.8 / 2),  # alike, yet half of the pairs are told apart
        ([0, 0, 1, 1], [0, 0, 1, 1], -0.2 / 2),  # what differs is paid for being told apart
        ([0, 0, 1, 1], [0, 1, 0, 1], (0.8 - 0.2) / 4),  # a quarter alike and apart, a quarter different and apart
    ],
)
def test_the_price_of_telling_patches_apart(
    features: list[int], classes: list[int], expected: float, pointwise: bool
) -> None:
    """Shift 0.2; every patch has the same mean correlation, so that centering changes nothing."""
    given = crop(features, classes)
    assert smoothness_loss(given, given, shift=0.2, pointwise=pointwise).item() == pytest.approx(expected, abs=1e-6)


def test_centering_takes_each_patchs_mean_and_puts_back_that_of_all() -> None:
    """Three patches of one material and one of another: mean correlations 3/4 and 1/4, of all pairs 10/16."""
    given = crop([0, 0, 0, 1], [0, 0, 0, 1])
    # pairs told apart: 3 of (0 - 3/4) and 3 of (0 - 1/4), each with 10/16 - 0.2 more
    expected = (3 * (-0.75 + 0.425) + 3 * (-0.25 + 0.425)) / 16
    assert smoothness_loss(given, given, shift=0.2, pointwise=True).item() == pytest.approx(expected, abs=1e-6)


def test_patches_without_image_do_not_change_the_price() -> None:
    given, longer = crop([0, 1, 1], [0, 1, 0]), crop([0, 1, 1, 0, 2], [0, 1, 0, 2, 2])
    longer.valid[0, 3:] = False
    for pointwise in (False, True):
        one, other = (smoothness_loss(side, side, shift=0.1, pointwise=pointwise) for side in (given, longer))
        assert one.item() == pytest.approx(other.item(), abs=1e-6)


def test_crops_are_taken_with_repeats_and_their_gradients_add_up() -> None:
    shares = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    features = torch.arange(3.0)[:, None, None].expand(3, 2, 5)
    taken = CropShares(features, shares, torch.tensor([[True, True], [True, False], [False, False]])).take(
        torch.tensor([2, 0, 2])
    )
    assert torch.equal(taken.shares, shares[[2, 0, 2]])
    assert taken.features[:, 0, 0].tolist() == [2, 0, 2]
    assert taken.valid.tolist() == [[False, False], [True, True], [False, False]]
    taken.shares.sum().backward()
    assert shares.grad is not None
    assert shares.grad[:, 0, 0].tolist() == [1, 0, 2]


def test_the_slope_makes_like_patches_alike() -> None:
    given = crop([0, 0], [0, 1], grad=True)
    smoothness_loss(given, given, shift=0.0, pointwise=False).backward()
    slope = given.shares.grad
    assert slope is not None
    assert slope[0, 0, 1] < 0  # the first patch should hold more of the second's class
    assert slope[0, 1, 0] < 0


def test_prototypes_are_pulled_by_torchs_cross_entropy_and_codes_are_not() -> None:
    rng = torch.Generator().manual_seed(0)
    codes = torch.randn(2, 3, 4, generator=rng).requires_grad_()
    prototypes = torch.randn(5, 4, generator=rng).requires_grad_()
    targets = torch.tensor([[0, 4, 2], [1, 1, 3]])
    valid = torch.tensor([[True, True, False], [True, False, True]])
    logits = functional.cosine_similarity(codes[:, :, None], prototypes, dim=-1)
    torch.testing.assert_close(cosines(3 * codes, 0.1 * prototypes), logits)
    found = data_loss(codes, prototypes, targets, valid)
    torch.testing.assert_close(found, functional.cross_entropy(logits[valid], targets[valid]))
    found.backward()
    assert codes.grad is None
    assert prototypes.grad is not None
