"""`segpipe change` as a whole, on photographs: images of the second date, harmonized, and one run of both dates."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import segpipe
from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.run import ChangeResult, change
from tests.commands.change.conftest import Reefs
from tests.helpers.drawn_ground import ground_map, photographed, turned, write_raster
from tests.helpers.films import write_film
from tests.helpers.quick_run import CLASSICAL, SMALL


def options(reefs: Reefs, out: Path, **more: object) -> ChangeOptions:
    given = {"run_a": reefs.run.root, "second": str(reefs.second), "out": out, "n_resamples": 100, "workers": 1}
    return make(ChangeOptions, {**given, **more})


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_images_of_the_second_date_by_the_model_of_the_first(
    reefs: Reefs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    found = change(options(reefs, out, harmonize=True), no_track)
    assert isinstance(found, ChangeResult)
    table = rows_of(out / "cover.csv")
    assert [row["site"] for row in table[::4]] == ["all", "site0", "site1"]
    assert sum(float(row["share_a"]) for row in table[:4]) == pytest.approx(1)
    assert len(rows_of(out / "cover_before.csv")) == len(table)
    assert (out / "change.png").read_bytes()[:4] == b"\x89PNG"
    facts = json.loads((out / "change.json").read_text())
    assert facts["dates"] == ["run", "2024"]
    assert facts["unit"] == "images"
    page = (out / "index.html").read_text()
    assert "Before and after harmonizing" in page
    assert found.summary[0] in page.replace("&#39;", "'")
    # features are no longer shifted, and a second time nothing is segmented again
    before = json.loads((out / "b" / "manifest.json").read_text())["stages"]["refine"]["finished"]
    assert facts["drift"]["size"] < 0.2
    caplog.clear()
    with caplog.at_level("INFO", logger="segpipe"):
        plainly = change(options(reefs, out), no_track)
    assert json.loads((out / "b" / "manifest.json").read_text())["stages"]["refine"]["finished"] == before
    assert not [record for record in caplog.records if "not done yet" in record.getMessage()]
    plain = json.loads((out / "change.json").read_text())
    assert plain["drift"]["size"] > facts["drift"]["size"]
    again = change(options(reefs, tmp_path / "again", second=str(out / "b")), no_track)
    assert again.rows == plainly.rows  # a run of the same clusters, as images


def test_one_run_of_both_dates(reefs: Reefs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = change(options(reefs, out, joint=True), no_track)
    facts = json.loads((out / "change.json").read_text())
    assert facts["dates"] == ["2023", "2024"]
    assert [row.site for row in found.rows[::4]] == ["all", "site0", "site1"]  # without the folder of each date
    assert (facts["unit"], facts["left_out"]) == ("images", [])
    both = change(
        options(reefs, tmp_path / "two", run_a=out / "joint", second=str(out / "joint"), date_pattern=r"(20\d\d)"),
        no_track,
    )
    assert both.rows[:4] == found.rows[:4]
    with pytest.raises(UsageError, match=r"joint: .* is a run; name its images"):
        change(options(reefs, tmp_path / "no", joint=True, second=str(out / "joint")), no_track)
    with pytest.raises(UsageError, match=r"has other clusters than .*; name the images of the second date"):
        change(options(reefs, tmp_path / "no", second=str(out / "joint")), no_track)
    with pytest.raises(UsageError, match="date_pattern tells the dates of one run apart"):
        change(options(reefs, tmp_path / "no", date_pattern="(x)"), no_track)


def test_a_folder_of_others_is_not_taken(reefs: Reefs, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="is not the output of change of segpipe and holds other files"):
        change(options(reefs, tmp_path), no_track)


def test_one_run_of_two_mosaics_of_the_same_ground(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    before = ground_map(rng, 200, 220, patch=70)
    after = turned(before, 0.5, rng)
    for year, labels in (("2023", before), ("2024", after)):
        write_raster(tmp_path / year / "mosaic.tif", photographed(labels, np.random.default_rng(7)))
    quick = {**SMALL, **CLASSICAL, "index.window": 96}
    segpipe.run(tmp_path / "2023", tmp_path / "run", settings=quick, stop="refine")
    given = {"run_a": tmp_path / "run", "second": str(tmp_path / "2024"), "out": tmp_path / "out", "joint": True}
    found = change(make(ChangeOptions, {**given, "n_resamples": 100, "workers": 1}), no_track)
    facts = json.loads((found.out / "change.json").read_text())
    assert facts["dates"] == ["2023", "2024"]
    (ground,) = facts["grounds"]
    assert np.hypot(ground["shift"]["rows"], ground["shift"]["cols"]) < 0.3
    changed = float((before != after).mean())
    assert facts["changed"]["low"] < changed < facts["changed"]["high"]
    assert (found.out / "map" / "2023" / "mosaic.tif").exists()


def test_one_run_of_two_films(tmp_path: Path) -> None:
    for year, scenes in (("2023", (20, 20)), ("2024", (20, 30))):
        write_film(tmp_path / year / "dive.avi", scenes)
    quick = {**SMALL, **CLASSICAL, "cluster.k": 3, "index.frame_step": 5}
    segpipe.run(tmp_path / "2023", tmp_path / "run", settings=quick, stop="refine")
    given = {"run_a": tmp_path / "run", "second": str(tmp_path / "2024"), "out": tmp_path / "out", "joint": True}
    found = change(make(ChangeOptions, {**given, "n_resamples": 100, "workers": 1}), no_track)
    facts = json.loads((found.out / "change.json").read_text())
    assert (facts["unit"], facts["left_out"], facts["grounds"]) == ("scenes", [], [])
    units = found.rows[0].first_units, found.rows[0].second_units
    assert min(units) > 1
    assert max(units) < 10  # not every frame
