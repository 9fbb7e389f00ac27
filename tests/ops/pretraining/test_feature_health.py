"""Agreement of views, effective rank and signs of collapse, on features whose answer is known."""

import math

import pytest
import torch

from segpipe.ops.pretraining.feature_health import Vitals, collapse_sign, effective_rank, view_agreement


def drawn(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_views_that_lie_side_by_side_agree() -> None:
    first = drawn(20, 16)
    assert view_agreement(first, first + 0.01 * drawn(20, 16, 1)) == 1.0


def test_views_agree_by_direction_alone() -> None:
    first = drawn(20, 16)
    assert view_agreement(first, 100 * first) == 1.0


def test_half_of_the_views_agree_where_half_are_exchanged() -> None:
    first = torch.eye(8)
    second = torch.eye(8)
    second[[0, 1, 2, 3]] = second[[1, 0, 3, 2]]
    assert view_agreement(first, second) == 0.5


def test_views_that_have_nothing_in_common_agree_by_chance() -> None:
    assert view_agreement(drawn(200, 64), drawn(200, 64, 1)) < 0.05


def test_one_image_says_nothing() -> None:
    assert math.isnan(view_agreement(drawn(1, 4), drawn(1, 4)))


def test_rank_counts_directions_of_equal_strength() -> None:
    assert effective_rank(torch.eye(12, 40)) == pytest.approx(12, rel=1e-4)


def test_rank_of_singular_values_three_and_one_is_the_exponential_of_their_entropy() -> None:
    wanted = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(wanted, rel=1e-5)


def test_rank_of_what_is_all_alike_is_one() -> None:
    assert effective_rank(torch.ones(9, 5)) == pytest.approx(1, abs=1e-4)
    assert effective_rank(torch.zeros(9, 5)) == 1.0


MOST = math.log(1000)


@pytest.mark.parametrize(
    ("vitals", "best", "words"),
    [
        (Vitals(20, MOST - 0.001, MOST), 20, "uniform"),
        (Vitals(20, 0.0, 0.01), 20, "one and the same"),
        (Vitals(1.5, 3.0, 6.0), 15, "effective rank of 1.5"),
        (Vitals(3.0, 3.0, 6.0), 31, "fell from 31.0 to 3.0"),
        (Vitals(20, 3.0, 6.0), 20, ""),
        (Vitals(20, 6.3, 6.8), 20, ""),  # an untrained network
        (Vitals(20, 3.0, 3.01), 20, ""),  # neither uniform nor one: images that are much alike
    ],
)
def test_signs_of_collapse(vitals: Vitals, best: float, words: str) -> None:
    said = collapse_sign(vitals, outputs=1000, best_rank=best)
    assert words in said
    assert bool(said) == bool(words)
