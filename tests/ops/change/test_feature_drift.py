"""Drift of features: found where light moved all classes, and not taken for it where one class grew."""

import numpy as np
import numpy.typing as npt

from segpipe.ops.change.cover_difference import independent_difference, judge
from segpipe.ops.change.feature_drift import FeatureDrift, measure_drift
from segpipe.ops.change.light_effect import light_effect
from segpipe.ops.change.transition import count_transitions

Float32 = npt.NDArray[np.float32]
CENTERS = np.random.default_rng(0).normal(size=(4, 12)).astype(np.float32) * 2


def assign(features: Float32) -> npt.NDArray[np.int64]:
    return np.asarray(((features[:, None] - CENTERS) ** 2).sum(axis=2).argmin(axis=1), np.int64)


def patches(rng: np.random.Generator, counts: npt.NDArray[np.int64], shift: float = 0.0) -> Float32:
    rows = np.repeat(CENTERS, counts, axis=0)
    return np.asarray(rows + rng.normal(size=rows.shape) + shift, np.float32)


def drift(first: Float32, second: Float32) -> FeatureDrift:
    halves = np.arange(len(first)) % 2 == 0
    return measure_drift(first, second, assign, 4, halves=halves)


def test_a_shift_of_all_classes_is_found() -> None:
    rng = np.random.default_rng(1)
    first = patches(rng, np.array([400, 300, 200, 100]))
    found = drift(first, patches(rng, np.array([200, 300, 300, 200]), shift=0.5))
    assert found.seen
    assert found.shared > 0.8
    assert np.abs(found.shift - 0.5).max() < 0.2
    assert abs(found.size - 0.5) < 0.1  # 0.5 in each of 12 directions, in which patches spread by 1
    assert abs(found.unevenness**2 - (1 / found.shared - 1)) < 1e-9


def test_more_of_a_class_is_no_drift() -> None:
    rng = np.random.default_rng(2)
    found = drift(patches(rng, np.array([400, 300, 200, 100])), patches(rng, np.array([100, 300, 200, 400])))
    assert found.size < 0.12


def test_without_patches_in_common_nothing_is_said() -> None:
    rng = np.random.default_rng(3)
    found = drift(patches(rng, np.array([30, 0, 0, 0])), patches(rng, np.array([0, 30, 0, 0])))
    assert found.size == 0
    assert not found.shift.any()
    assert not found.seen
    assert found.unevenness == 0
    assert drift(np.empty((0, 12), np.float32), patches(rng, np.array([5, 5, 5, 5]))).size == 0


def test_where_light_alone_changed_false_alarms_are_few() -> None:
    """At the level of patches: 24 photographs a date of the same reef, at the second all features shifted."""
    rng, alarms, noticed, repeats = np.random.default_rng(4), 0, 0, 60
    for seed in range(repeats):
        dates, pools = [], []
        for shift in (0.0, 0.45):
            counts = np.array([rng.multinomial(100, rng.dirichlet([3, 2, 2.5, 1.5])) for _ in range(24)])
            images = [patches(rng, row, shift) for row in counts]
            dates.append(np.array([np.bincount(assign(image), minlength=4) for image in images], np.float64))
            pools.append(np.concatenate(images))
        difference = independent_difference(dates[0], dates[1], draws=300, seed=seed)
        found = measure_drift(pools[0], pools[1], assign, 4, halves=np.arange(len(pools[0])) % 200 < 100)
        second = pools[1].reshape(24, 100, -1)
        counts = [count_transitions(assign(each - found.shift), assign(each), 4) for each in second]
        said = judge(difference, light_effect(counts, found.unevenness).range)
        alarms += any(word in ("more", "less") for word in said)
        noticed += found.seen
    assert noticed == repeats
    assert alarms <= 0.05 * repeats, alarms
