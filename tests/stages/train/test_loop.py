import numpy as np
import pytest
import torch

from segpipe.nn.head import codes, new_head
from segpipe.stages.train.loop import collapsed_at_end, cosine_of_items, noticed
from segpipe.stages.train.objectives.objective import Patches


def rows(*values: float, start: int = 0) -> list[dict[str, float]]:
    return [{"step": start + 10 * i, "code_negative": value} for i, value in enumerate(values)]


def test_a_collapse_is_two_rows_in_a_row_after_a_hundred_steps() -> None:
    assert noticed(rows(0.95, 0.99), since=0) is None
    assert noticed(rows(0.95, 0.99, start=100), since=0) is None
    assert noticed(rows(0.99, 0.89, start=200), since=0) is None
    assert noticed(rows(0.99, start=200), since=0) is None
    found = noticed(rows(0.1, 0.91, 0.92, start=200), since=0)
    assert found is not None
    assert (found.step, found.value) == (220, 0.92)
    assert noticed(rows(0.1, 0.91, 0.92, start=200), since=120) is None


def test_a_collapse_at_the_end_is_the_mean_of_ten_rows() -> None:
    assert collapsed_at_end(rows(*[0.0] * 5, *[0.96] * 10)) is not None
    assert collapsed_at_end(rows(*[0.0] * 5, *[0.96] * 9)) is None
    assert collapsed_at_end([]) is None


def test_cosine_of_items_is_the_mean_over_pairs_of_patches_of_different_crops() -> None:
    rng = torch.Generator().manual_seed(0)
    head = new_head(5, 3, 0.5, seed=0).train()
    tokens, valid = torch.randn(3, 4, 5, generator=rng), torch.rand(3, 4, generator=rng) > 0.3
    found = cosine_of_items(head, Patches(tokens, torch.full((3, 2), 2), valid))
    units = codes(head.eval(), tokens.numpy())
    units /= np.linalg.norm(units, axis=-1, keepdims=True)
    pairs = [
        np.mean([a @ b for a in units[i][valid[i].numpy()] for b in units[j][valid[j].numpy()]])
        for i in range(3)
        for j in range(3)
        if i != j
    ]
    assert found == pytest.approx(np.mean(pairs), abs=1e-6)
