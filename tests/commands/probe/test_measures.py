"""The parts of an image's measures that can be counted by hand."""

import math

import numpy as np

from segpipe.commands.probe.measures import ImageMeasures, MeasureKey, ProbePlan, count_views, half_masks
from segpipe.inference.backbone_view import BackboneView
from segpipe.ops.corruptions.registry import choose_corruptions

VIEW = BackboneView("made", "attention", "block 0", 8, ("mean",), lambda images: [], lambda images: [])


def plan(measures: tuple[str, ...], *names: str) -> ProbePlan:
    return ProbePlan(VIEW, 8, measures, choose_corruptions(names), 0)


def test_views_are_counted_by_levels() -> None:
    chosen = ("blur", "text", "hue")  # 4, 3 and 3 levels
    assert count_views(plan(("center",), *chosen)) == 1 + 15
    assert count_views(plan(("focus",), *chosen)) == 1 + 4 * 4
    assert count_views(plan(("artefacts",), *chosen)) == 1 + 1 + 3
    assert count_views(plan(("agreement",), *chosen)) == 1 + 1 + 10
    assert count_views(plan(("focus", "artefacts"), "hue")) == 1
    assert plan((), *chosen).blur is not None
    assert plan((), "hue").blur is None
    assert [each.name for each in plan((), *chosen).artefacts] == ["text"]


def test_halves_are_left_right_upper_and_lower() -> None:
    left, right, upper, lower = half_masks(4)
    np.testing.assert_array_equal(left, [[1, 1, 0, 0]] * 4)
    np.testing.assert_array_equal(right, [[0, 0, 1, 1]] * 4)
    np.testing.assert_array_equal(upper, [[1] * 4, [1] * 4, [0] * 4, [0] * 4])
    np.testing.assert_array_equal(lower, [[0] * 4, [0] * 4, [1] * 4, [1] * 4])


def test_numbers_become_pairs() -> None:
    found = ImageMeasures()
    found.add("hue", 20, "overlap", 0.25)
    found.add("hue", 60, "overlap", (3.0, 4.0))
    found.add("hue", 180, "overlap", math.nan)
    assert found.numbers[MeasureKey("hue", 20, "overlap")] == (0.25, 1.0)
    assert found.numbers[MeasureKey("hue", 60, "overlap")] == (3.0, 4.0)
    assert all(map(math.isnan, found.numbers[MeasureKey("hue", 180, "overlap")]))
