"""Gradients of the unit codes, against torch's own graph of the same loss."""

import pytest
import torch
from torch.nn import functional

from segpipe.stages.train.losses import pairing


@pytest.mark.parametrize("clamp", [pairing.Clamp(0.0, 0.8), pairing.Clamp(-9999.0, 9999.0)])
def test_the_gradient_of_a_step_is_that_of_its_loss_written_plainly(clamp: pairing.Clamp) -> None:
    rng = torch.Generator().manual_seed(0)
    anchors, sets, points, tokens = 3, 2, 4, 10
    features, codes = torch.randn(tokens, 6, generator=rng), torch.randn(tokens, 5, generator=rng).requires_grad_()
    rows = torch.randint(tokens, (anchors, sets, points, 4), generator=rng).int()
    shares = torch.rand(rows.shape, generator=rng)
    read = pairing.read_points(features, codes.detach(), pairing.Interpolation(rows, shares))
    pairs = anchors * points**2
    shifts, weights = {"self": 0.1, "negative": 0.3}, {"self": 0.7, "negative": 0.2}
    kinds = ("self", "negative")
    targets = pairing.pair_targets(read.sums(), kinds, pairs=pairs, weights=weights, shifts=shifts, pointwise=False)
    found = pairing.pair_gradients(read, targets, clamp)
    loss = pairing.step_loss(found.sums, targets, kinds, pairs=pairs)

    at = (codes[rows.long()] * shares[..., None]).sum(-2)
    at.retain_grad()
    unit = functional.normalize(at, dim=-1)
    fixed = functional.normalize((features[rows.long()] * shares[..., None]).sum(-2), dim=-1)
    expected = torch.zeros(())
    for k, kind in enumerate(kinds):
        cosines = torch.einsum("bpc,bqc->bpq", unit[:, 0], unit[:, k]).clamp(clamp.low, clamp.high)
        correlations = torch.einsum("bpd,bqd->bpq", fixed[:, 0], fixed[:, k])
        expected = expected + weights[kind] * (-cosines * (correlations - shifts[kind])).mean()
    expected.backward()
    assert loss.total.item() == pytest.approx(expected.item(), abs=1e-6)
    assert at.grad is not None
    torch.testing.assert_close(pairing.by_points(read, found.by_codes, loss.by_cosines), at.grad, atol=1e-6, rtol=0)
