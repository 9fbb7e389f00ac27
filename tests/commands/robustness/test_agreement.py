import numpy as np
import pytest

from segpipe.commands.robustness.agreement import agreement_findings, count_kept
from segpipe.ops.corruptions.registry import CORRUPTIONS
from segpipe.ops.metrics.skewed_interval import jackknife_skewness, one_sample
from segpipe.records.finding import KEPT, MIOU

BLUR = CORRUPTIONS["blur"]


def test_counts_are_those_of_a_walk_over_the_pixels() -> None:
    rng = np.random.default_rng(0)
    before, after = (rng.choice([0, 1, 2, 255], (8, 9)).astype(np.uint8) for _ in range(2))
    counted = rng.random((8, 9)) < 0.7
    expected = np.zeros((3, 3), int)
    for row in range(8):
        for col in range(9):
            old, new = int(before[row, col]), int(after[row, col])
            if not counted[row, col] or old == 255:
                continue
            expected[1, old] += 1
            if new != 255:
                expected[2, new] += 1
            if new == old:
                expected[0, old] += 1
    assert (count_kept(before, after, counted, classes=3) == expected).all()


def test_numbers_and_intervals_are_those_of_a_slow_statement() -> None:
    rng = np.random.default_rng(1)
    maps = rng.integers(0, 3, (6, 2, 10, 10))
    maps[:, 1] = np.where(rng.random((6, 10, 10)) < np.linspace(0.3, 0.9, 6)[:, None, None], maps[:, 0], maps[:, 1])
    everywhere = np.ones((10, 10), bool)
    counts = np.stack([count_kept(before, after, everywhere, classes=4) for before, after in maps])
    nothing = np.zeros((1, 3, 4), np.int64)  # an image that shows nothing takes no part
    found = agreement_findings(BLUR, 2, np.concatenate([counts, nothing]), resamples=400, seed=3)
    assert [each.measure for each in found] == [MIOU, KEPT]
    assert found[0].images == found[1].images == 6
    assert (found[0].disturbance, found[0].family, found[0].level) == ("blur", "focus", 2)

    def scores(chosen: list[int]) -> tuple[float, float]:
        before, after = (np.concatenate([maps[i, side].ravel() for i in chosen]) for side in (0, 1))
        ious = []
        for label in sorted(set(before.tolist())):
            ious.append(((before == label) & (after == label)).sum() / ((before == label) | (after == label)).sum())
        return float(np.mean(ious)), float((before == after).mean())

    whole = scores(list(range(6)))
    for each, value in zip(found, whole, strict=True):
        assert each.value == pytest.approx(value)
    draws = np.array([scores(rng.integers(0, 6, 6).tolist()) for _ in range(400)])
    skew = jackknife_skewness(np.array([scores([k for k in range(6) if k != i]) for i in range(6)]))
    low, high = one_sample(draws, np.array(whole), 6, ends=(0, 1), skew=skew)
    for each, slow in zip(found, zip(low, high, strict=True), strict=True):
        assert each.low == pytest.approx(slow[0], abs=0.04)
        assert each.high == pytest.approx(slow[1], abs=0.04)


def test_what_nobody_knows_is_none() -> None:
    one = np.array([[[3, 1], [4, 2], [4, 2]]])
    assert [(each.low, each.images) for each in agreement_findings(BLUR, 1, one, resamples=10, seed=0)] == [
        (None, 1)
    ] * 2
    none = agreement_findings(BLUR, 1, np.zeros((2, 3, 2), np.int64), resamples=10, seed=0)
    assert [(each.value, each.high, each.images) for each in none] == [(None, None, 0)] * 2
