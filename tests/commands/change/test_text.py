"""Sentences on what changed."""

from dataclasses import replace

import numpy as np

from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.change.comparison import Comparison, compare
from segpipe.commands.change.measured_light import Light
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.text import drift_sentence, sentences
from segpipe.ops.change.feature_drift import FeatureDrift
from segpipe.ops.change.light_effect import anything, light_effect
from segpipe.records.geo import Geo
from tests.commands.change.conftest import SameGround
from tests.helpers.two_dates import named_survey


def comparison(second: int, count: int = 8) -> Comparison:
    first = named_survey({f"x/{i}": [400 + 2 * i, 600 - 2 * i] for i in range(count)})
    other = named_survey({f"x/{i}": [second + 2 * i, 1000 - second - 2 * i] for i in range(count)})
    given = make(ChangeOptions, {"run_a": "r", "second": "s", "out": "o", "n_resamples": 100})
    return compare((first, other), None, given, no_track, out=None)


def test_what_changed_is_said_first() -> None:
    said = sentences(comparison(300))
    assert said[0].startswith("Changed, in percentage points with 95% intervals: class 0 -10.0 (-10.")
    assert len(said) == 1


def test_noise_is_said_to_be_noise() -> None:
    assert sentences(comparison(400)) == ["No class changed more than noise: of 2 classes none is surely more or less."]
    assert sentences(comparison(300, count=1))[0].startswith("Nothing is known of how sure any difference is")


def test_a_class_that_few_images_hold_is_named() -> None:
    found = comparison(400)
    rows = tuple(replace(row, holding=4 if row.number == 1 else row.holding) for row in found.cover.rows)
    said = sentences(replace(found, cover=replace(found.cover, rows=rows)))
    assert said[1] == "Held by fewer than 5 images, so that intervals are rough: class 1."
    few = comparison(400, count=3)
    assert few.cover.whole[0].holding == 3
    assert len(sentences(few)) == 1  # of three images all hold it


def test_drift_and_what_it_could_make() -> None:
    found = comparison(300)
    drift = FeatureDrift(np.zeros(2, np.float32), 0.5, 0.1, 0.8)
    light = Light(drift, light_effect([np.array([[30, 10], [0, 60]])], drift.unevenness))
    said = drift_sentence(replace(found, light=light))
    assert "changes class 0 in masks of the second date by -10.0 points, and classes moved by themselves 0.5" in said
    assert said.endswith(" --harmonize takes the light away.")
    lost = drift_sentence(replace(found, light=Light(drift, anything(2))))
    assert lost.endswith("What of the difference it makes is not known: no image of the second date can be read.")
    calm = Light(replace(drift, size=0.15), None)
    assert drift_sentence(replace(found, light=calm)).startswith("Features do not drift: all classes together moved")
    assert drift_sentence(found) == ""
    rows = tuple(replace(row, verdict="may be light") for row in found.cover.rows)
    told = sentences(replace(found, cover=replace(found.cover, rows=rows, alone=("a", "b")), unaligned=("p",)))
    assert told[1] == "Doubtful: class 0, class 1: light could make it, by the drift of features."
    assert told[2].startswith("1 pair of photographs could not be laid over each other, such as p")
    assert told[3] == "Left out: 2 sites that one date has alone, such as a."


def test_rasters_that_lie_apart_are_told() -> None:
    east = [Geo("", (1, 0, x, 0, -1, 100)) for x in (0, 5000)]
    first, second = (named_survey({"w": [60, 40]}, geo={"w": geo}) for geo in east)
    given = make(ChangeOptions, {"run_a": "r", "second": "s", "out": "o", "n_resamples": 100})
    said = sentences(compare((first, second), None, given, no_track, out=None))
    assert said[1].startswith("No rasters of both dates share ground: their coordinates lie apart")
    assert not [line for line in sentences(comparison(300)) if "share ground" in line]


def test_ground_and_its_alignment(same_ground: SameGround) -> None:
    given = make(ChangeOptions, {"run_a": "r", "second": "s", "out": "o", "n_resamples": 100})
    found = compare(same_ground.surveys, None, given, no_track, out=None)
    said = sentences(found)
    assert "square meters) is of another class; between" in said[-2]
    assert said[-1].startswith("mosaic: mosaic lay +7.3")
    told = sentences(replace(found, grounds=(replace(found.grounds[0], larger=1.78),)))
    assert told[-1].startswith("The network saw mosaic 1.8 times larger than mosaic, which alone may turn one class")
    plain = compare(same_ground.surveys, None, given.model_copy(update={"align": "none"}), no_track, out=None)
    assert sentences(plain)[-1] == "mosaic: laid over mosaic by coordinates alone."
    effect = light_effect([np.diag([50, 20, 20, 10]) + np.eye(4, k=1, dtype=int) * 5], 0.0)
    same = replace(found, light=Light(None, effect, found.grounds))
    assert drift_sentence(same) == "Maps of ground that did not change differ by -4.3 points of class 0 at most."
    rows = tuple(replace(row, verdict="may be light") for row in found.cover.rows[:1])
    doubted = replace(same, cover=replace(found.cover, rows=rows))
    assert sentences(doubted)[1] == "Doubtful: class 0: light could make it, by ground that did not change."
