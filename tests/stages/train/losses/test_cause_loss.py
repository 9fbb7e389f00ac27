"""CAUSE's losses where the answer is known by hand: cliques, a picture of blocks, two codes."""

import math

import pytest
import torch
from torch.nn import functional

from segpipe.stages.train.losses.cause_loss import (
    Bank,
    ContrastConfig,
    Others,
    contrast_losses,
    modularity_loss,
    nearest_code,
    pick_one_per_block,
)


def cliques(*sizes: int) -> torch.Tensor:
    """Patches (1, N, d) of as many directions at right angles as there are sizes."""
    axes = torch.eye(len(sizes))
    return torch.cat([axes[[k]].expand(size, -1) * (k + 2) for k, size in enumerate(sizes)])[None]


@pytest.mark.parametrize(("sizes", "expected"), [((2, 2), 1 / 2), ((4, 4, 4), 2 / 3), ((1, 2), 0.0), ((5, 1), 0.0)])
def test_cliques_have_the_modularity_of_the_textbook(sizes: tuple[int, ...], expected: float) -> None:
    """Newman 2006: k equal cliques without edges between them give 1 - 1 / k; a lone patch has no edge at all."""
    features = cliques(*sizes)
    shown = torch.ones(features.shape[:2], dtype=torch.bool)
    apart = modularity_loss(features, torch.eye(len(sizes)), shown, temperature=1e-3)
    assert -apart.item() == pytest.approx(expected, abs=1e-6)
    together = modularity_loss(features, torch.ones(1, len(sizes)), shown, temperature=1e-3)
    assert together.item() == pytest.approx(0, abs=1e-6)


def test_a_block_of_one_valid_patch_is_read_there() -> None:
    valid = torch.zeros(1, 20, dtype=torch.bool)
    valid[0, [1, 7, 8, 19]] = True  # of 4 x 5 patches: the blocks of the upper row, and the last one
    places, taken = pick_one_per_block(valid, torch.tensor([[4, 5]]), torch.Generator().manual_seed(0), block=2)
    assert places[taken].tolist() == [1, 7, 19] or places[taken].tolist() == [1, 8, 19]
    places, taken = pick_one_per_block(valid, torch.tensor([[4, 5]]), torch.Generator().manual_seed(0), block=1)
    assert places[taken].tolist() == [1, 7, 8, 19]


def test_the_nearest_code_is_one_of_direction_not_of_distance() -> None:
    codebook = torch.tensor([[0.1, 0.0], [0.0, 9.0], [-5.0, 0.0]])
    patches = torch.tensor([[[9.0, 8.0], [0.01, 0.02]], [[-0.1, 0.01], [1.0, 0.0]]])
    assert nearest_code(patches, codebook).tolist() == [[0, 1], [2, 0]]


def test_contrast_is_torchs_cross_entropy_of_the_one_positive() -> None:
    codebook = torch.eye(3) * torch.tensor([[1.0], [4.0], [0.5]])
    rng = torch.Generator().manual_seed(0)
    student, teachers = torch.randn(1, 1, 4, generator=rng), torch.randn(3, 4, generator=rng)
    loss, has = contrast_losses(
        student,
        torch.tensor([[1]]),
        torch.ones(1, 1, dtype=torch.bool),
        Others(teachers, torch.tensor([0, 1, 2]), torch.ones(3, dtype=torch.bool)),
        codebook,
        own=False,
        config=ContrastConfig(temperature=0.2),
    )
    scores = functional.cosine_similarity(student[0], teachers) / 0.2
    assert has.all()
    assert loss.item() == pytest.approx(functional.cross_entropy(scores[None], torch.tensor([1])).item(), rel=1e-5)


def test_codes_neither_near_nor_far_are_not_contrasted() -> None:
    def code(cosine: float) -> list[float]:
        return [cosine, math.sqrt(1 - cosine**2)]

    codebook = torch.tensor([code(1), code(0.2), code(0.05)])
    vectors = torch.ones(2, 3)  # nothing tells them apart
    for ids, expected in (([0, 1], 0.0), ([0, 2], math.log(2))):
        loss, _ = contrast_losses(
            vectors[None, :1],
            torch.tensor([[0]]),
            torch.ones(1, 1, dtype=torch.bool),
            Others(vectors, torch.tensor(ids), torch.ones(2, dtype=torch.bool)),
            codebook,
            own=False,
        )
        assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_a_bank_takes_a_share_of_each_code_and_forgets_the_oldest() -> None:
    rng = torch.Generator().manual_seed(0)
    empty = Bank(torch.empty(0, dtype=torch.int64), torch.empty(0, 2))
    first = empty.renewed(torch.tensor([3, 3, 3, 7]), torch.tensor([[2.0, 0.0]] * 4), rng)
    assert first.ids.tolist() == [3]  # half of three, rounded down; a single one is not taken
    assert first.vectors.tolist() == [[1.0, 0.0]]
    second = first.renewed(torch.tensor([3, 3, 7]), torch.tensor([[0.0, 5.0]] * 3), rng, limit=2, share=1.0)
    assert sorted(second.ids.tolist()) == [3, 3, 7]
    assert second.vectors.tolist() == [[0.0, 1.0]] * 3
