"""Tables of a run, with pandas and without."""

import csv
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from PIL import Image

import segpipe
from segpipe.base.errors import RenamedWarning
from segpipe.cli.entry import run_cli
from segpipe.results import Run
from segpipe.results.tables import CLASS_COLUMNS, COVER_COLUMNS, table
from segpipe.store.masks import read_mask
from tests.helpers.run_view import BAY, ONE


@pytest.fixture
def pandas() -> ModuleType:
    found: ModuleType = pytest.importorskip("pandas", reason="pandas is not installed; tables are lists then")
    return found


def test_the_images(reef: Path, done: Path) -> None:
    rows = Run(done).images
    assert [row["id"] for row in rows] == [BAY, "jardín 01", "reef 00", ONE, "reef_04", "reef_05"]
    assert all(list(row) == ["id", "path", "size", "site"] for row in rows)
    for row in rows:
        label = reef / "labels" / f"{row['id']}.png"  # written beside the photographs, as they are displayed
        assert row["size"] == np.asarray(Image.open(label)).shape
        assert Path(row["path"]).is_relative_to(reef / "images")
        assert Path(row["path"]).is_file()
    assert {row["site"] for row in rows if "/" not in row["id"]} == {"(top folder)"}
    assert [row["site"] for row in rows if row["id"] == BAY] == ["bay"]


def test_the_classes_count_the_masks(done: Path) -> None:
    run = Run(done)
    counts = np.stack([np.bincount(run.mask(row["id"]).ravel(), minlength=5)[:5] for row in run.images])
    rows = run.classes
    assert [row["number"] for row in rows] == list(range(5))
    assert [row["pixels"] for row in rows] == counts.sum(axis=0).tolist()
    assert [row["images"] for row in rows] == (counts > 0).sum(axis=0).tolist()
    np.testing.assert_allclose([row["share"] for row in rows], counts.sum(axis=0) / counts.sum())
    assert all(len(row["color"]) == 7 and int(row["color"][1:], 16) >= 0 for row in rows)


def test_names_merge_clusters_and_leave_some_out(copy: Path) -> None:
    run = Run(copy)
    before, mask = run.classes, run.mask(ONE, classes=False)
    assert run_cli(["name", str(copy)]) == 0
    said = yaml.safe_load((copy / "classes.yaml").read_text("utf-8"))
    said["clusters"][0]["name"], said["clusters"][3]["name"] = "sand", "sand"
    said["clusters"][1]["ignore"] = True
    (copy / "classes.yaml").write_text(yaml.safe_dump(said), "utf-8")
    rows = run.classes  # the run that was open already
    assert [row["name"] for row in rows] == ["sand", "cluster 2", "cluster 4"]
    assert rows[0]["pixels"] == before[0]["pixels"] + before[3]["pixels"]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    np.testing.assert_array_equal(run.mask(ONE), np.array([0, 255, 1, 0, 2], np.uint8)[mask])
    assert [row["clusters"] for row in rows] == [(0, 3), (2,), (4,)]
    # one number for one class, wherever one meets it: joining by number gives the right names
    assert run_cli(["export", str(copy), "--only", "classes,png", "-q"]) == 0
    assert run_cli(["cover", str(copy), "-q"]) == 0
    for name in ("export/classes.csv", "cover/cover_all.csv"):
        table = list(csv.DictReader((copy / name).read_text("utf-8").splitlines()))
        shown = [(int(row["class"]), row["name"], row["clusters"]) for row in table]
        assert shown == [(0, "sand", "0 3"), (1, "cluster 2", "2"), (2, "cluster 4", "4")]
    np.testing.assert_array_equal(run.mask(ONE), read_mask(copy / "export" / "png" / f"{ONE}.png"))
    np.testing.assert_array_equal(run.mask(ONE), dict(segpipe.masks(copy))[ONE])
    np.testing.assert_array_equal(mask, dict(segpipe.masks(copy, classes=False))[ONE])
    with pytest.warns(RenamedWarning, match=r"Run.class_map\(image\) is called Run.mask\(image\) now"):
        np.testing.assert_array_equal(run.class_map(ONE), run.mask(ONE))


def test_the_cover(done: Path) -> None:
    said = json.loads((done / "cover" / "cover.json").read_text())
    run = Run(done)
    assert run.cover == said["whole"]["shares"]
    assert list(run.cover[0]) == ["number", "name", "share", "low", "high", "pixels", "area"]
    rows = run.cover_by_site
    assert [(row["site"], row["number"]) for row in rows] == [(s, k) for s in ("(top folder)", "bay") for k in range(5)]
    assert {row["site"]: row["images"] for row in rows} == {"(top folder)": 5, "bay": 1}


def test_the_scores(done: Path) -> None:
    said = json.loads((done / "scores" / "scores.json").read_text())
    run = Run(done)
    assert run.scores_json == said
    rows = {row["score"]: row for row in run.scores}
    ours = rows["one-to-one"]
    assert (ours["accuracy"], ours["miou"]) == (said["unsupervised"]["accuracy"], said["unsupervised"]["miou"])
    assert [ours["accuracy_low"], ours["accuracy_high"]] == said["unsupervised"]["accuracy_ci"]
    assert [ours["miou_low"], ours["miou_high"]] == said["unsupervised"]["miou_ci"]
    assert rows["linear probe on features"]["miou"] == said["linear_probe"]["features"]["miou"]
    assert rows["k-NN probe on codes"]["accuracy"] == said["knn_probe"]["codes"]["accuracy"]
    assert rows["many-to-one"]["accuracy_low"] is None
    many = said["baseline_kmeans"]["many_to_one"]
    assert rows["k-means baseline, many-to-one"]["accuracy"] == many["accuracy"]


def test_tables_are_frames_where_pandas_is(done: Path, pandas: ModuleType) -> None:
    run = Run(done)
    for name in ("images", "classes", "cover", "cover_by_site", "scores"):
        found = getattr(run, name)
        assert isinstance(found, pandas.DataFrame), name
    assert list(run.images.columns) == ["id", "path", "size", "site"]
    assert {str(run.cover[name].dtype) for name in ("share", "low", "high", "area")} == {"float64"}
    assert run.cover["area"].isna().all()
    assert run.classes["share"].sum() == pytest.approx(1)
    assert run.images.set_index("id").loc[BAY, "site"] == "bay"


def test_rows_without_pandas_are_the_rows() -> None:
    rows = [{"share": None}]
    assert table(rows, ["share"]) is rows


def test_frames_have_their_columns_when_empty_and_numbers_where_one_is_missing(pandas: ModuleType) -> None:
    assert list(table([], CLASS_COLUMNS).columns) == list(CLASS_COLUMNS)
    row = {"number": 0, "name": "sand", "share": 0.5, "low": None, "high": None, "pixels": 8, "area": None}
    frame = table([row, {**row, "number": 1, "area": 2}], COVER_COLUMNS)
    assert list(frame.columns) == list(COVER_COLUMNS)
    assert [str(frame[name].dtype) for name in ("share", "low", "area", "pixels")] == ["float64"] * 3 + ["int64"]
    assert frame["area"].sum() == 2
    assert frame["low"].isna().all()
