"""`cover` on masks that are known exactly."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.records.class_names import Entry, Naming
from segpipe.stages import cover
from segpipe.store import masks
from segpipe.store.class_names import naming_text
from segpipe.store.cover import load_cover
from segpipe.store.run_dir import RunDir
from tests.helpers import report_run

NAMES = ["north/a", "north/b", "north/c", "south/d", "e"]


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    found = report_run.make_run(tmp_path, NAMES, classes=3)
    naming = Naming(
        {0: Entry((255, 0, 0), "coral"), 1: Entry((0, 0, 255), "coral"), 2: Entry((0, 255, 0), "=sand, white")}
    )
    (found.root / "classes.yaml").write_text(naming_text(naming, {}, {}), "utf-8")
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def mask(run_dir: RunDir, name: str) -> Any:
    return masks.read_mask(masks.mask_path(run_dir.path("masks"), name))


def test_tables_hold_what_the_masks_hold(run_dir: RunDir) -> None:
    summary = cover.run(cover.Config(gsd=0.01), run_dir, Runtime())
    out = run_dir.path("cover")
    coral = {name: float((mask(run_dir, name) < 2).mean()) for name in NAMES}
    found = {(row["image"], row["name"]): row for row in rows(out / "cover_images.csv")}
    assert len(found) == 2 * len(NAMES)
    for name in NAMES:
        assert float(found[name, "coral"]["share"]) == pytest.approx(coral[name])
        assert float(found[name, "coral"]["area_m2"]) == pytest.approx(coral[name] * 48 * 64 * 1e-4)
    assert found["north/a", "coral"]["site"] == "north"
    assert found["e", "coral"]["site"] == "(top folder)"
    sites = {(row["site"], row["name"]): row for row in rows(out / "cover_sites.csv")}
    north = [coral[name] for name in NAMES[:3]]
    row = sites["north", "coral"]
    assert float(row["share"]) == pytest.approx(np.mean(north))
    low, share, high = (float(row[name]) for name in ("low", "share", "high"))
    assert 0 < low < min(north) < share < max(north) < high <= 1  # three images: others may well lie further out
    assert float(row["area_low"]) == pytest.approx(float(row["low"]) * 3 * 48 * 64 * 1e-4)
    alone = sites["south", "'=sand, white"]
    assert (alone["low"], alone["high"]) == ("", "")
    assert alone["note"].startswith("one image: no interval")
    whole = {row["name"]: row for row in rows(out / "cover_all.csv")}
    assert float(whole["coral"]["share"]) == pytest.approx(np.mean(list(coral.values())))
    assert sum(float(row["share"]) for row in whole.values()) == pytest.approx(1)
    assert summary.area == pytest.approx(5 * 48 * 64 * 1e-4)
    assert summary.sites == 3
    with Pillow.open(out / "cover.png") as picture:
        assert picture.width > 400
        colors = set(map(tuple, np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()))
    assert {(255, 0, 0), (0, 255, 0)} <= colors  # the classes' own; coral has that of the first cluster
    assert (0, 0, 255) not in colors


def test_the_same_seed_gives_the_same_files(run_dir: RunDir) -> None:
    def content(seed: int) -> dict[str, bytes]:
        cover.run(cover.Config(seed=seed, n_resamples=100), run_dir, Runtime())
        return {path.name: path.read_bytes() for path in run_dir.path("cover").iterdir()}

    first = content(0)
    assert content(0) == first
    assert content(1)["cover_all.csv"] != first["cover_all.csv"]


def test_what_counts_can_be_chosen(run_dir: RunDir, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image,site,gsd\n" + "".join(f"{n},s{i % 2},{0.01 * (i + 1)}\n" for i, n in enumerate(NAMES)))
    shares = np.array([(mask(run_dir, name) < 2).mean() for name in NAMES])
    ground = np.square(0.01 * np.arange(1, 6))
    for settings, weight, wanted in (
        ({"sites": table}, "square meters", np.average(shares, weights=ground)),
        ({"sites": table, "weight": "images"}, "images", shares.mean()),
        ({}, "pixels", shares.mean()),
        ({"sites": table, "unit": "site"}, "square meters", np.average(shares, weights=ground)),
    ):
        cover.run(cover.Config(**settings), run_dir, Runtime())
        found = load_cover(run_dir.path("cover"))
        assert found.weight == weight
        assert found.whole.shares[0].share == pytest.approx(wanted)
        assert [part.name for part in found.sites] == (["s0", "s1"] if settings else ["(top folder)", "north", "south"])
    by_site = found.whole
    assert by_site.note == "2 sites: rough intervals"
    low, share, high = by_site.shares[0].low, by_site.shares[0].share, by_site.shares[0].high
    assert low is not None
    assert high is not None
    assert share is not None
    apart = abs((found.sites[0].shares[0].share or 0) - (found.sites[1].shares[0].share or 0))
    assert low == 0 or share - low > 5 * apart  # two sites tell little of how others differ: Student's t is 12.7
    assert high == 1 or high - share > 5 * apart
    cover.run(cover.Config(sites=table, by="folder"), run_dir, Runtime())
    assert [part.name for part in load_cover(run_dir.path("cover")).sites] == ["(top folder)", "north", "south"]


def test_labels_correct_the_cover(run_dir: RunDir, tmp_path: Path) -> None:
    """Points everywhere with a label that the map confuses: one in four of its coral is sand."""
    rng, lines = np.random.default_rng(0), ["image,row,column,label"]
    said = []
    for name in NAMES[:4]:
        found = mask(run_dir, name)
        for row, col in zip(rng.integers(48, size=200), rng.integers(64, size=200), strict=True):
            truth = "=SAND, white" if found[row, col] == 2 or rng.random() < 0.25 else "Coral"
            said.append((found[row, col] < 2, truth))
            lines.append(f'{name},{row},{col},"{truth}"')
    path = tmp_path / "points.csv"
    path.write_text("\n".join(lines))
    cover.run(cover.Config(labels=path), run_dir, Runtime())
    out = run_dir.path("cover")
    found = {row["label"]: row for row in rows(out / "cover_corrected.csv")}
    raw = float(np.mean([(mask(run_dir, name) < 2).mean() for name in NAMES]))
    right = np.mean([truth == "Coral" for mapped, truth in said if mapped])
    row = found["Coral"]
    assert float(row["map_share"]) == pytest.approx(raw)
    assert float(row["corrected"]) == pytest.approx(raw * right)
    assert float(row["low"]) < raw * 0.75 < float(row["high"]) < raw
    assert float(row["share_of_labels"]) == pytest.approx(np.mean([truth == "Coral" for _, truth in said]))
    assert sum(float(row["corrected"]) for row in found.values()) == pytest.approx(1)
    confusion = rows(out / "cover_confusion.csv")
    assert sum(int(row[name]) for row in confusion for name in found) == 800
    correction = load_cover(out).correction
    assert correction is not None
    assert (correction.images, correction.outside, correction.unseen_classes) == (4, 0, [])
    assert 0.1 < correction.mean_error < 0.3  # type: ignore[operator]
    sites = {(row["site"], row["label"]): row for row in rows(out / "cover_sites_corrected.csv")}
    assert {site for site, _ in sites} == {"north", "south", "(top folder)"}
    for site, names in (("north", NAMES[:3]), ("south", NAMES[3:4]), ("(top folder)", NAMES[4:])):
        row = sites[site, "Coral"]
        own = float(np.mean([(mask(run_dir, name) < 2).mean() for name in names]))
        assert float(row["map_share"]) == pytest.approx(own)
        assert float(row["corrected"]) == pytest.approx(own * right)  # the errors of all sites, the map of this one
        assert int(row["points"]) <= 200 * len(names)
        assert (row["low"] == "") == (len(names) == 1)
    assert float(sites["north", "Coral"]["low"]) < float(sites["north", "Coral"]["corrected"])
    with Pillow.open(out / "cover.png") as picture:
        assert picture.width > 400


def test_every_point_is_told_with_the_class_of_the_map(run_dir: RunDir, tmp_path: Path) -> None:
    """Also where the map has no class: that is never right."""
    naming = Naming({0: Entry((1, 1, 1), "coral"), 1: Entry((2, 2, 2), ignore=True), 2: Entry((3, 3, 3), "sand")})
    (run_dir.root / "classes.yaml").write_text(naming_text(naming, {}, {}), "utf-8")
    places = [(name, row, col) for name in NAMES[:4] for row, col in ((0, 0), (47, 63), (17, 30))]
    said = ["Coral" if k % 2 else "sand" for k in range(len(places))]
    lines = [f"{name},{row},{col},{label}" for (name, row, col), label in zip(places, said, strict=True)]
    path = tmp_path / "points.csv"
    path.write_text("\n".join(["image,row,column,label", *reversed(lines)]))
    cover.run(cover.Config(labels=path), run_dir, Runtime())
    found = rows(run_dir.path("cover") / "cover_points.csv")
    wanted = {}
    for (name, row, col), label in zip(places, said, strict=True):
        mapped = {0: "coral", 1: "", 2: "sand"}[int(mask(run_dir, name)[row, col])]
        site = name.rpartition("/")[0] or "(top folder)"
        right = "yes" if mapped == label.lower() else "no"
        wanted[name, str(row), str(col)] = {"site": site, "label": label, "class": mapped, "right": right}
    assert {"yes", "no"} == {row["right"] for row in found}
    assert any(not row["class"] for row in found)
    assert {(row.pop("image"), row.pop("row"), row.pop("column")): row for row in found} == wanted


def test_sites_are_named_by_a_pattern_of_the_file_name(
    run_dir: RunDir, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cover.run(cover.Config(site_pattern="(?P<half>[ab])|(?P<rest>[cd])"), run_dir, Runtime())
    found = load_cover(run_dir.path("cover"))
    assert found.by == "half, rest"
    assert [part.name for part in found.sites] == ["(no site)", "a", "b", "c", "d"]
    assert "1 images have no site: the pattern is not in names such as e.png" in caplog.text
    table = tmp_path / "gsd.csv"
    table.write_text("image,gsd\n" + "".join(f"{name},0.1\n" for name in NAMES))
    cover.run(cover.Config(site_pattern="[a-z]", sites=table), run_dir, Runtime())
    assert load_cover(run_dir.path("cover")).weight == "square meters"
    with pytest.raises(UsageError, match=r"cover\.by=site: cover\.site_pattern=x says the sites; leave one out"):
        cover.run(cover.Config(site_pattern="x", by="site"), run_dir, Runtime())
    assert "site_pattern" not in cover.Config().identity()


def test_left_out_clusters_are_in_no_share(run_dir: RunDir) -> None:
    naming = Naming({0: Entry((1, 1, 1), "a"), 1: Entry((2, 2, 2), "b"), 2: Entry((3, 3, 3), ignore=True)})
    (run_dir.root / "classes.yaml").write_text(naming_text(naming, {}, {}), "utf-8")
    cover.run(cover.Config(), run_dir, Runtime())
    found = [mask(run_dir, name) for name in NAMES]
    a, b = (sum(int((m == k).sum()) for m in found) for k in (0, 1))
    assert load_cover(run_dir.path("cover")).whole.shares[0].share == pytest.approx(a / (a + b))


def test_mistakes_are_told(run_dir: RunDir, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cover\.by=transect is a column of a table of sites"):
        cover.run(cover.Config(by="transect"), run_dir, Runtime())
    path = tmp_path / "t.csv"
    path.write_text("image,site\nnobody,x\n")
    with pytest.raises(CorpusError, match="no row of"):
        cover.run(cover.Config(sites=path), run_dir, Runtime())
