"""What light, season or depth could have made of the difference between two dates, by the best that is there to tell.

Where pixels correspond, that is the ground of the first date seen as the second one was; else masks of the second date
without the drift of features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segpipe.base.runtime import Runtime
from segpipe.commands.change.drift_masks import measure_effect
from segpipe.commands.change.light_drift import drift_between
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.same_ground import Ground
from segpipe.commands.change.survey import SurveyDate
from segpipe.commands.change.unchanged import compare_unchanged
from segpipe.ops.change.feature_drift import FeatureDrift
from segpipe.ops.change.light_effect import LightEffect, light_effect


@dataclass(frozen=True)
class Light:
    """The drift of features between two dates, and what light makes of the second one's masks."""

    drift: FeatureDrift | None
    """None where the features of both cannot be compared."""
    effect: LightEffect | None
    """None where there is nothing to tell it by, as features do not drift; that of `anything` where files are gone."""
    unchanged: tuple[Ground, ...] = ()
    """Ground that did not change, by which the effect is known; empty: it is known by masks without the drift."""


def measure_light(
    surveys: tuple[SurveyDate, SurveyDate],
    grounds: Sequence[Ground],
    options: ChangeOptions,
    runtime: Runtime,
) -> Light:
    """The drift, and what light makes of masks.

    Args:
        surveys: the two dates, in the same classes.
        grounds: what both show of the same ground; empty where no pixels correspond, or for the drift alone.
        options: where pictures of unchanged ground are written, and the seed of samples.
        runtime: workers and progress.

    Raises:
        SegpipeError: as stages raise them.
    """
    drift = drift_between(*surveys, seed=options.seed)
    same = tuple(compare_unchanged(surveys, grounds, options, runtime.track)) if grounds else ()
    if same:
        blocks = [counts for ground in same for counts in ground.blocks]
        return Light(drift, light_effect(blocks, 0.0, either_way=True), same)
    if drift is None or not drift.seen:
        return Light(drift, None)
    return Light(drift, measure_effect(surveys[1], drift, runtime, seed=options.seed))
