"""Measured shifts against plain numpy, on grids where every point lies on a patch."""

import numpy as np
import pytest
import torch

from segpipe.stages.train.losses import correspondence
from segpipe.stages.train.losses.calibration import observed_shifts
from segpipe.stages.train.losses.correspondence import LossCrops

S, D = 3, 6


def side(rng: np.random.Generator, crops: int) -> LossCrops:
    """Crops of one patch each: wherever a point lies, it reads that patch."""
    tokens = torch.from_numpy(rng.normal(size=(crops, 1, D)).astype(np.float32))
    return LossCrops(tokens, tokens[..., :1], torch.ones(crops, 2, dtype=torch.int64), torch.ones(crops, 1).bool())


@pytest.mark.parametrize("pointwise", [False, True])
def test_shifts_are_quantiles_of_the_cosines_of_features(pointwise: bool) -> None:
    rng = np.random.default_rng(0)
    batches = [(side(rng, 40), side(rng, 40), torch.Generator().manual_seed(i)) for i in range(2)]
    quantiles = {"self": 0.5, "neighbor": 0.6, "negative": 0.9}
    found = observed_shifts(batches, quantiles, samples=S, pointwise=pointwise)
    cosines: dict[str, list[np.ndarray]] = {kind: [] for kind in quantiles}
    for i, (anchors, neighbors, _) in enumerate(batches):
        here, there = (x.features[:, 0].double().numpy() for x in (anchors, neighbors))
        here, there = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (here, there))
        generator = torch.Generator().manual_seed(i)
        for _ in range(2):
            correspondence.sample_coords(generator, 40, S)
        others = here[correspondence.other_indices(generator, 40).numpy()]
        for kind, second in (("self", here), ("neighbor", there), ("negative", others)):
            cosines[kind].append((here * second).sum(1))
    for kind, parts in cosines.items():
        # all points of a crop are alike: centered, each has its own mean taken away and the mean of all put back
        parts = [np.full_like(part, part.mean()) if pointwise else part for part in parts]
        expected = np.quantile(np.concatenate(parts).repeat(S**4), quantiles[kind])
        assert found[kind] == pytest.approx(expected, abs=1e-5), kind


def test_a_kind_without_pairs_gets_zero() -> None:
    batch = (side(np.random.default_rng(0), 1), None, torch.Generator().manual_seed(0))
    found = observed_shifts([batch], {"self": 0.5, "neighbor": 0.6, "negative": 0.9}, samples=S, pointwise=False)
    assert found["self"] == pytest.approx(1)
    assert (found["neighbor"], found["negative"]) == (0, 0)
