"""Ground of the first date as the second saw it, and what maps differ by there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

import segpipe
from segpipe.base.files import read_json
from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.run import change
from segpipe.commands.change.same_ground import plan_ground
from segpipe.commands.change.second_date import legend_of
from segpipe.commands.change.survey import SurveyDate, open_survey
from segpipe.commands.change.text import points
from segpipe.commands.change.unchanged import compare_unchanged, match_colors
from segpipe.images.corpus_reader import open_original, read_original
from segpipe.ops.change.ground_grid import GroundLink
from segpipe.pipeline import open_run
from segpipe.store.corpus import load_corpus
from tests.commands.change.conftest import SHIFT, SameGround
from tests.helpers.drawn_ground import ALGAE, CORAL, ground_map, moved, photographed, write_raster
from tests.helpers.quick_run import CLASSICAL, SMALL
from tests.helpers.two_dates import raster_survey

GAIN, OFFSET = 0.7, 25


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a mosaic, and beside it the same ground, darker and elsewhere, and with a sixth of it changed."""
    home, rng = tmp_path_factory.mktemp("unchanged"), np.random.default_rng(0)
    before = ground_map(rng, 300, 340, patch=80)
    after = before.copy()
    after[:, :60] = (before[:, :60] + 1) % 4
    for name, labels in (("first", before), ("same", before), ("sixth", after)):
        picture = photographed(labels, np.random.default_rng(7))
        if name != "first":
            picture = np.clip(moved(picture, *SHIFT) * GAIN + OFFSET, 0, 255).astype(np.uint8)
        write_raster(home / name / "mosaic.tif", picture)
    segpipe.run(home / "first", home / "run", settings={**SMALL, **CLASSICAL, "index.window": 96}, stop="refine")
    return home / "run"


def options(run: Path, second: str, out: Path) -> ChangeOptions:
    given = {"run_a": run, "second": str(run.parent / second), "out": out, "n_resamples": 200, "workers": 1}
    return make(ChangeOptions, given)


def test_what_colors_have_become_is_matched_on_the_ground(same_ground: SameGround) -> None:
    first, second = same_ground.surveys
    link = GroundLink(first.corpus.images[0].geo, second.corpus.images[0].geo).shifted(*SHIFT)
    ground = plan_ground(first, second, (0, 0), link, None)
    assert ground is not None
    reads = [open_original(survey.corpus, survey.corpus.images[0]) for survey in (first, second)]
    with reads[0] as one, reads[1] as other:
        table = match_colors(one, other, ground, second.corpus.images[0].size)
    seen = np.unique(read_original(first.corpus, first.corpus.images[0]).rgb[..., 0])[20:-20]
    assert np.abs(table[seen, 0] - (seen * GAIN + OFFSET)).max() < 4  # in spite of the ground that changed


def test_a_class_nearly_all_of_which_changed_does_not_tell_of_the_light(tmp_path: Path) -> None:
    before = ground_map(np.random.default_rng(0), 300, 340, patch=90)
    after = np.where(before == CORAL, ALGAE, before).astype(np.uint8)
    first, second = (photographed(labels, np.random.default_rng(1)) for labels in (before, after))
    dark = np.clip(second * GAIN + OFFSET, 0, 255).astype(np.uint8)
    dates = raster_survey(tmp_path / "a", first, before), raster_survey(tmp_path / "b", dark, after)
    geo = dates[0].corpus.images[0].geo
    ground = plan_ground(*dates, (0, 0), GroundLink(geo, geo), None)
    assert ground is not None
    reads = [open_original(survey.corpus, survey.corpus.images[0]) for survey in dates]
    with reads[0] as one, reads[1] as other:
        table = match_colors(one, other, ground, dates[1].corpus.images[0].size)
    for channel in range(3):
        coral = np.unique(first[before == CORAL][:, channel])
        assert np.abs(table[coral, channel] - (coral * GAIN + OFFSET)).mean() < 5


@pytest.mark.parametrize("second", ["same", "sixth"])
def test_changed_area_where_nothing_changed_but_light_and_place_and_where_a_sixth_of_it_did(
    run: Path, tmp_path: Path, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # masks without the drift are not made as well
    monkeypatch.delattr("segpipe.commands.change.measured_light.measure_effect")
    found = change(options(run, second, tmp_path / "out"), no_track)
    whole = read_json(found.out / "change.json")
    facts, drift = whole["changed"], whole["drift"]
    assert drift["size"] > 2 * drift["noise"]
    assert drift["by_drift"] == [row.by_light for row in found.rows[:4]]
    assert all(-row.light_low == row.light_high > abs(row.by_light) for row in found.rows[:4])
    most = max(found.rows[:4], key=lambda row: abs(row.by_light))
    told = f"Maps of ground that did not change differ by {points(most.by_light)} points of {most.name} at most. "
    assert f"{told}--harmonize takes the light away." in found.summary[-1]
    assert facts["unchanged"] > 0.02  # maps differ all the same
    if second == "same":
        assert facts["low"] == 0
        assert not {row.verdict for row in found.rows} & {"more", "less"}
    else:
        assert 0.02 < facts["low"] < 60 / 340 < facts["high"]
    assert "(of ground that did not change " in found.summary[-3] + found.summary[-2] + found.summary[1]
    # the picture is the first date's ground where the second lies, in its colors
    corpus = load_corpus(found.out / "unchanged" / "run" / "corpus")
    same = read_original(corpus, corpus.images[0])
    there = load_corpus(found.out / "b" / "corpus")
    truth = read_original(there, there.images[0]).rgb[40:-40, 200:-40].astype(int)
    assert np.abs(same.rgb[40:-40, 200:-40].astype(int) - truth).mean() < 4


def test_photographs_of_the_same_ground_without_coordinates(run: Path, tmp_path: Path) -> None:
    for name in ("first", "sixth"):
        with rasterio.open(run.parent / name / "mosaic.tif") as file:
            pixels = np.moveaxis(file.read(), 0, -1)
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "plot.png")
    quick = {**SMALL, **CLASSICAL, "index.crops": "windows", "index.window": 96}
    segpipe.run(tmp_path / "first", tmp_path / "run", settings=quick, stop="refine")
    given = options(tmp_path / "run", "sixth", tmp_path / "out").model_copy(update={"pairs": "names"})
    found = change(given, no_track)
    facts = read_json(found.out / "change.json")
    (ground,) = facts["grounds"]
    assert (ground["shift"]["rows"], ground["shift"]["cols"]) == pytest.approx(SHIFT, abs=0.3)
    assert 0.02 < facts["changed"]["low"] < 60 / 340 < facts["changed"]["high"]
    assert facts["changed"]["unchanged"] > 0.02


def test_of_large_grounds_some_boxes_are_looked_at(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(run, "same", tmp_path / "out")
    change(given, no_track)
    surveys = [open_survey(open_run(root), legend_of(open_run(run)), "date") for root in (run, tmp_path / "out" / "b")]
    first, second = surveys[0], surveys[1]
    link = GroundLink(first.corpus.images[0].geo, second.corpus.images[0].geo).shifted(*SHIFT)
    ground = plan_ground(first, second, (0, 0), link, None)
    assert ground is not None
    whole = compare_unchanged((first, second), [ground], given, no_track)
    monkeypatch.setattr("segpipe.commands.change.unchanged._WHOLE", 20_000)
    monkeypatch.setattr("segpipe.commands.change.unchanged._SIDE", 120)
    parts = compare_unchanged((first, second), [ground], given, no_track)
    assert (len(whole), len(parts)) == (1, 4)
    shares = [_share(grounds) for grounds in (whole, parts)]
    assert abs(shares[0] - shares[1]) < 0.15
    assert whole[0].shift is None


def test_where_a_file_is_gone_it_is_told(
    run: Path, same_ground: SameGround, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = same_ground.surveys
    ground = plan_ground(
        first, second, (0, 0), GroundLink(first.corpus.images[0].geo, second.corpus.images[0].geo), None
    )
    assert ground is not None
    path = first.corpus.root / first.corpus.images[0].path
    away = path.rename(path.with_suffix(".away"))
    try:
        assert compare_unchanged((first, second), [ground], options(run, "same", tmp_path), no_track) == []
    finally:
        away.rename(path)
    assert "what maps differ by where nothing changed is not known: " in caplog.text


def _share(grounds: list) -> float:  # type: ignore[type-arg]
    moves = np.sum([ground.transitions for ground in grounds], axis=0)
    return float(1 - np.trace(moves) / moves.sum())


def test_images_of_more_than_three_channels_are_left_out(same_ground: SameGround, tmp_path: Path) -> None:
    one: SurveyDate = same_ground.first
    bands = replace(one, corpus=replace(one.corpus, bands=(3, 2, 1)))
    given = make(ChangeOptions, {"run_a": "a", "second": "b", "out": tmp_path})
    assert compare_unchanged((bands, bands), [], given, no_track) == []
