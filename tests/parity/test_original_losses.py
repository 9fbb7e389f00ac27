"""STEGO's step, EAGLE's shifts and PriMaPs-EM against numbers that their original code printed.

The same inputs were given to the code of the authors (mhamilton723/STEGO, MICV-yonsei/EAGLE, visinf/primaps).
"""

import pytest
import torch
from torch.nn import functional

from segpipe.nn.head import new_head
from segpipe.stages.cluster import primaps_em
from segpipe.stages.train.losses import sampled_points
from segpipe.stages.train.losses.correspondence import eagle_shifts
from segpipe.stages.train.objective_configs import StegoConfig
from segpipe.stages.train.objectives import Stego
from segpipe.stages.train.objectives.objective import Patches
from tests.helpers.original_inputs import draws, filled, fixed, mark, wave
from tests.helpers.stego_loss import correspondence_loss

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_a_step_of_stego(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [torch.tensor([1, 2, 0]), torch.tensor([2, 0, 1])]
    monkeypatch.setattr(sampled_points, "other_indices", lambda generator, count: orders.pop(0))
    grids, valid = torch.full((3, 2), 4), torch.ones(3, 16, dtype=torch.bool)
    anchors, near = (Patches(wave(3, 16, 6, phase=phase) + 0.2, grids, valid) for phase in (1, 2))
    head = filled(new_head(6, 4, Stego.DROPOUT, seed=0, activation=Stego.ACTIVATION))
    objective = Stego(head, StegoConfig(samples=3, negatives=2), steps=1, seed=0)
    optimizer = torch.optim.Adam(objective.groups(head, 0.01))
    fixed(monkeypatch, [0, 1, 2, 3])  # channels of both sides, then points
    loss, parts = objective.loss(head, anchors, near, torch.Generator(), 0)
    loss.backward()
    assert loss.item() == pytest.approx(-0.153989, abs=2e-6)
    assert [part.item() for part in parts.values()] == pytest.approx([-0.326665, -0.148647, 0.161966], abs=2e-6)
    assert [mark(parameter.grad) for parameter in head.parameters()] == pytest.approx(
        [0.0287, -0.121742, 0.027567, -0.009471, -0.170416, -0.121742], abs=5e-6
    )
    optimizer.step()
    assert [mark(parameter) for parameter in head.parameters()] == pytest.approx(
        [-0.62259, 0.408222, -2.558102, -0.115045, -0.440317, -0.603887], abs=5e-5
    )


@pytest.mark.parametrize(
    ("bias", "kind", "loss", "slopes"),
    [
        (0.11, "neighbor", -0.09079, (-0.063345, 0.012608)),
        (0.11, "negative", 0.319426, (0.241503, -0.039656)),
        (0.0, "neighbor", -0.05686, (-0.054496, 0.011104)),
        (0.0, "negative", 0.438183, (0.272476, -0.044919)),
    ],
)
def test_eagles_shifts(bias: float, kind: str, loss: float, slopes: tuple[float, float]) -> None:
    def points(dim: int, phase: int, more: float) -> torch.Tensor:  # the original has channels first
        return (wave(2, dim, 3, 3, phase=phase) + more).permute(0, 2, 3, 1)

    codes = [points(4, phase, 0.3).requires_grad_() for phase in (3, 4)]
    found, _, _ = correspondence_loss(
        *(points(6, phase, 0.4) for phase in (1, 2)),
        *codes,
        shift=eagle_shifts(bias)[kind],
        pointwise=True,
        zero_clamp=True,
        stabilize=True,
    )
    found.mean().backward()
    assert found.mean().item() == pytest.approx(loss, abs=2e-6)
    assert [mark(code.grad.permute(0, 3, 1, 2)) for code in codes] == pytest.approx(slopes, abs=5e-6)


def test_primaps_focal_loss_is_a_mean_over_all_pixels() -> None:
    logits = (wave(2, 3, 4, 5, phase=2) * 2).permute(0, 2, 3, 1).flatten(1, 2)
    labels = (draws(2, 20, phase=3) * 4).long() - 1
    assert (labels < 0).sum() == 9
    valid = torch.ones(2, 20, dtype=torch.bool)
    assert primaps_em.focal_loss(logits, labels, valid).item() == pytest.approx(0.4336167, abs=1e-6)
    longer = [torch.cat([part, part[:, :4]], dim=1) for part in (logits * 1, labels, valid & True)]
    longer[1][:, 20:], longer[2][:, 20:] = -1, False  # beyond the image
    assert primaps_em.focal_loss(*longer).item() == pytest.approx(0.4336167, abs=1e-6)


def test_five_steps_of_primaps_em() -> None:
    """The running mean is renewed at every step."""
    centers, batches, marks = wave(3, 5, phase=60), [], []
    for at in range(5):
        parts = (draws(2, 12, phase=70 + at) * 4).long() - 1
        batches.append((wave(2, 12, 5, phase=70 + at) * 2, parts, torch.ones(2, 12, dtype=torch.bool)))
        found = primaps_em.fit(batches, functional.normalize(centers, dim=1), lr=0.05, every=1)
        marks.append((mark(found.directions), mark(found.student)))
    assert found.losses == pytest.approx([0.356431, 0.29108, 0.35875, 0.252181, 0.328258], abs=2e-6)
    assert [one for one, _ in marks] == pytest.approx([-2.033066, -1.971997, -1.948867, -1.918217, -1.887165], abs=2e-5)
    assert [two for _, two in marks] == pytest.approx([-2.033066, -1.971997, -1.905806, -1.83401, -1.775537], abs=2e-5)


@pytest.mark.parametrize(
    ("phase", "printed"),
    [
        (11, "22222.2222222222.0000000000000001111111111"),
        (16, "222222222222122221111111111111000000000000"),
        (19, "222..022222.22...0000000000000111111111111"),
        (24, "222222222222112111111111111111000000000000"),
        (38, "222222222222222.20000000000000111111111111"),
        (5, "222222222222222222111111111111000000000000"),
    ],
)
def test_primaps_regions(phase: int, printed: str) -> None:
    """The original takes the largest signed cosine to a direction whose sign its library leaves; here, to either end.

    In the last case the ends are not the same, and the regions come in the reverse order.
    """
    flat = wave(3, 8, phase=phase)[torch.arange(42) // 6 * 3 // 7]
    features = (flat + 0.5 * wave(42, 8, phase=phase + 0.5) + 0.3 * wave(1, 8, phase=phase + 0.25)).view(7, 6, 8)
    found = primaps_em.regions(primaps_em.principal_masks(features.numpy())).ravel()
    expected = ["." if region < 0 else str(2 - region if phase == 5 else region) for region in found]
    assert "".join(expected) == printed
