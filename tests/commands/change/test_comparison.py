"""Everything between two dates."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.change.comparison import Comparison, Transition, compare
from segpipe.commands.change.measured_light import Light
from segpipe.commands.change.options import ChangeOptions
from segpipe.ops.change.feature_drift import FeatureDrift
from segpipe.ops.change.light_effect import light_effect
from tests.commands.change.conftest import SHIFT, SameGround
from tests.helpers.two_dates import named_survey


def options(**more: object) -> ChangeOptions:
    return make(ChangeOptions, {"run_a": "r", "second": "s", "out": "o", "n_resamples": 200, **more})


def test_two_mosaics_of_the_same_ground(same_ground: SameGround, tmp_path: Path) -> None:
    found = compare(same_ground.surveys, None, options(), no_track, out=tmp_path)
    (ground,) = found.grounds
    assert ground.shift is not None
    assert abs(ground.shift.rows - SHIFT[0]) < 0.5
    assert found.changed is not None
    assert found.changed.low < same_ground.changed < found.changed.high
    assert found.cover.unit == "blocks of ground"
    assert found.cover.weight == "square meters"
    moves = {(move.before, move.after): move for move in found.transitions}
    assert isinstance(moves[1, 2], Transition)
    assert moves[1, 2].area == pytest.approx(moves[1, 2].pixels * 0.0025)
    for k, row in enumerate(found.cover.whole):
        true = (same_ground.after == k).mean() - (same_ground.before == k).mean()
        assert row.low is not None
        assert row.high is not None
        assert row.low - 0.005 <= true <= row.high + 0.005
    assert (tmp_path / "map" / "mosaic.tif").exists()
    assert (tmp_path / "change.gpkg").exists()


def test_by_coordinates_alone(same_ground: SameGround) -> None:
    found = compare(same_ground.surveys, None, options(align="none"), no_track, out=None)
    assert found.grounds[0].shift is None
    assert found.changed is not None
    assert found.changed.share > same_ground.changed + 0.02  # every border counts as change


def test_photographs_have_no_common_ground() -> None:
    date = named_survey({f"{i}": [40 + i, 60 - i] for i in range(8)})
    drift = FeatureDrift(np.zeros(3, np.float32), 1.0, 0.1, 1.0)
    effect = light_effect([np.array([[20, 30], [0, 50]])], drift.unevenness)
    found = compare((date, date), lambda _: Light(drift, effect), options(), no_track, out=None)
    assert isinstance(found, Comparison)
    assert (found.grounds, found.transitions, found.changed) == ((), [], None)
    assert [row.by_light for row in found.cover.whole] == pytest.approx([-0.3, 0.3])
    assert [row.light_low for row in found.cover.whole] == pytest.approx([-0.3, 0.0])
    assert [row.light_high for row in found.cover.whole] == pytest.approx([0.0, 0.3])
    pairs = compare((date, date), None, options(pairs="names", align="none"), no_track, out=None)
    assert len(pairs.unaligned) == 8
    assert pairs.cover.unit == "pairs of images"
