"""`segpipe name --split` on drawn fields of four kinds, one cluster of which holds two of them."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import segpipe
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.name.split import split_cluster
from segpipe.pipeline import existing_run, open_run
from segpipe.records.class_names import Entry, Naming
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from segpipe.store.features import CropFeatures, FeatureStore, FeatureWriter, create_features
from tests.helpers.relist import relist

pytestmark = pytest.mark.usefixtures("one_torch_thread")

FIELD, ROWS, COLS, INSIDE = 32, 3, 4, 9
COLORS = np.array([(200, 60, 60), (60, 70, 200), (60, 190, 70), (70, 160, 90)])  # two greens
SETTINGS = {
    "extract.backbone": "classical",
    "extract.input_size": 112,
    "train.method": "pca",
    "cluster.k": 3,
    "cluster.method": "tree",
    "cluster.prototypes": 12,
    "cluster.smooth": 0,
    "refine.crf_iterations": 2,
    "refine.certainty": True,
    "runtime.workers": 1,
}


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("fields"), np.random.default_rng(0)
    for i in range(6):
        kinds = rng.permutation(np.arange(ROWS * COLS) % 4).reshape(ROWS, COLS)
        np.save(folder / f"{i}.npy", kinds)
        rgb = COLORS[kinds].repeat(FIELD, 0).repeat(FIELD, 1) + rng.normal(0, 6, (ROWS * FIELD, COLS * FIELD, 3))
        (folder / "images").mkdir(exist_ok=True)
        Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def finished(fields: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose features say of every patch which kind it is, and nothing else."""
    run = tmp_path_factory.mktemp("done") / "run"
    segpipe.run(fields / "images", run, settings=SETTINGS, stop="mine")
    plant(fields, run)
    segpipe.run(fields / "images", run, start="train", stop="refine")
    return run


def plant(fields: Path, run: Path) -> None:
    rng, old = np.random.default_rng(1), FeatureStore(run / "features")
    directions = np.linalg.qr(rng.normal(size=(old.header.dim, 5)))[0].T[:4]
    directions[3] += 1.5 * directions[2]
    kinds = [np.load(fields / f"{image.id}.npy") for image in load_corpus(run / "corpus").images]
    patches = [directions[kind.repeat(2, 0).repeat(2, 1)] for kind in kinds]  # patches of 16 pixels, fields of 32
    patches = [found + rng.normal(0, 0.02, found.shape) for found in patches]
    grid = old.patches(0).shape[:2]
    assert patches[0].shape[:2] == grid
    shutil.rmtree(run / "features")
    (run / "features").mkdir()
    create_features(run / "features", old.header, np.array([grid] * len(patches)))
    writer = FeatureWriter(run / "features")
    for rows in writer.pending():
        found = [CropFeatures(patches[row], patches[row].mean((0, 1)), np.ones(grid, np.bool_)) for row in rows]
        writer.write(rows, found)
    relist(open_run(run), "features")


@pytest.fixture(scope="module")
def plain(fields: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the images' own features."""
    run = tmp_path_factory.mktemp("plain") / "run"
    segpipe.run(fields / "images", run, settings={**SETTINGS, "refine.certainty": False}, stop="refine")
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def inside(fields: Path, run: Path) -> tuple[np.ndarray, np.ndarray]:
    """Kind and cluster of all pixels that are well inside their field."""
    kinds, clusters = [], []
    for name, mask in segpipe.masks(run, classes=False):
        kind = np.load(fields / f"{name}.npy").repeat(FIELD, 0).repeat(FIELD, 1)
        near = np.minimum(np.arange(FIELD), np.arange(FIELD)[::-1]) >= INSIDE
        held = np.tile(near, ROWS)[:, None] & np.tile(near, COLS)[None]
        kinds.append(kind[held])
        clusters.append(mask[held])
    return np.concatenate(kinds), np.concatenate(clusters)


def mixed(fields: Path, run: Path) -> int:
    """The cluster that holds both greens."""
    kinds, clusters = inside(fields, run)
    (both,) = set(clusters[kinds == 2]) & set(clusters[kinds == 3])
    return int(both)


def finished_stages(run: Path) -> dict[str, str]:
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    return {name: stage["finished"] + stage["key"] + str(stage["seconds"]) for name, stage in stages.items()}


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def all_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_cluster_of_two_kinds_becomes_these_two_and_all_else_follows(
    fields: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = mixed(fields, run)
    segpipe.name(run)
    path = run / "classes.yaml"
    above, below = path.read_text().split(f"  {cluster}:\n")
    below = below.replace('name: ""', 'name: "green"', 1)
    path.write_text(f"{above}  {cluster}:  # seen at noon\n{below}")
    segpipe.run(fields / "images", run, start="train")
    before, names = dict(segpipe.masks(run, classes=False)), finished_stages(run)
    assert run_cli(["name", str(run), "--split", "green", "--into", "2"]) == 0
    assert f"cluster {cluster} (green) was cut" in capsys.readouterr().err
    after = dict(segpipe.masks(run, classes=False))
    for name, mask in after.items():
        was = before[name]
        np.testing.assert_array_equal(mask[was != cluster], was[was != cluster])
        assert set(np.unique(mask[was == cluster])) <= {cluster, 3}
    kinds, clusters = inside(fields, run)
    parts = {kind: set(clusters[kinds == kind].tolist()) for kind in (2, 3)}
    assert {frozenset(part) for part in parts.values()} == {frozenset({cluster}), frozenset({3})}
    said = yaml.safe_load(path.read_text())["clusters"]
    assert [said[k]["name"] for k in (cluster, 3)] == ["green 1", "green 2"]
    assert said[3]["color"] not in {said[k]["color"] for k in range(3)}
    assert f"  {cluster}:  # seen at noon\n" in path.read_text()
    assert (run / said[3]["picture"]).stat().st_size > 1000
    split_key = finished_stages(run)
    assert {name for name in names if names[name] != split_key[name]} == {"refine"}
    # what comes after follows, and nothing makes the masks again
    made = all_files(run / "masks")
    assert run_cli(["run", str(fields / "images"), str(run), "-q"]) == 0
    done = finished_stages(run)
    assert {name for name in done if split_key[name] != done[name]} == {"export", "cover", "report"}
    assert all_files(run / "masks") == made
    with (run / "export" / "classes.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert {"green 1", "green 2"} <= set(rows)
    with (run / "cover" / "cover_all.csv").open() as file:
        shares = {row["name"]: float(row["share"]) for row in csv.DictReader(file)}
    total = sum(mask.size for mask in after.values())
    assert shares["green 2"] == pytest.approx(sum(int((mask == 3).sum()) for mask in after.values()) / total)
    assert "green 2" in (run / "report" / "index.html").read_text()
    segpipe.refine(run, force=True)  # from nothing
    assert all_files(run / "masks") == made


def test_a_bundle_makes_the_masks_that_the_run_made_of_older_ones(fields: Path, plain: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(plain, tmp_path / "run"))
    largest = max(segpipe.name(run).items(), key=lambda item: item[1]["share"])[0]
    segpipe.name(run, split=largest, into=3)
    segpipe.name(run, split=4, by="kmeans")
    segpipe.bundle(run, tmp_path / "fields.segpipe")
    out = tmp_path / "out"
    assert run_cli(["apply", str(tmp_path / "fields.segpipe"), str(fields / "images"), str(out), "-q"]) == 0
    assert {k for mask in dict(segpipe.masks(run, classes=False)).values() for k in np.unique(mask).tolist()} == set(
        range(6)
    )
    assert pictures(out / "masks") == pictures(run / "masks")
    assert (out / "masks" / "index.jsonl").read_text() == (run / "masks" / "index.jsonl").read_text()
    assert masks.load_header(out / "masks") == masks.load_header(run / "masks")


def test_parts_can_be_cut_again_and_joined_and_the_run_is_as_it_was(fields: Path, run: Path) -> None:
    cluster = mixed(fields, run)
    whole = all_files(run / "masks")
    first = segpipe.name(run, split=cluster, into=2)
    once = all_files(run / "masks")
    assert list(first) == [0, 1, 2, 3]
    assert sum(entry["share"] for entry in first.values()) == pytest.approx(1)
    other = (cluster + 1) % 3
    segpipe.name(run, split=other, into=2, by="kmeans")
    segpipe.name(run, split=3, into=2, by="kmeans")
    assert list(segpipe.name(run)) == [0, 1, 2, 3, 4, 5]
    thrice = dict(segpipe.masks(run, classes=False))
    segpipe.refine(run, force=True)
    for name, mask in segpipe.masks(run, classes=False):
        np.testing.assert_array_equal(mask, thrice[name])
    segpipe.name(run, split=other, into=1)  # an earlier one: what was cut later keeps its pixels under a lower number
    for name, mask in segpipe.masks(run, classes=False):
        expected = thrice[name].copy()
        expected[expected == 4] = other
        expected[expected == 5] = 4
        np.testing.assert_array_equal(mask, expected)
    segpipe.name(run, split=3, into=1)
    assert all_files(run / "masks") == once
    segpipe.name(run, split=cluster, into=1)
    assert all_files(run / "masks") == whole
    assert not (run / "splits.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "9"], "--split 9: there is no cluster '9', and none of that name; clusters go from 0 to 2"),
        (["--split", "0", "--into", "1"], "error: --into 1: nothing was split off cluster 0; give 2 or more"),
        (["--split", "0", "--into", "3000"], "cluster 0 holds only|cluster 0 has .* patches that are kept, too few"),
        (
            ["--split", "0", "--into", "3000", "--by", "tree"],
            "of at least 3000 small clusters of the tree; leave out --by tree",
        ),
        (["--split", "0", "--merge", "1", "2"], "--split 0 goes alone"),
        (["--into", "2"], "--into and --by say how a cluster is split"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(
    finished: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = all_files(finished)
    assert run_cli(["name", str(finished), *arguments]) == 2
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    assert re.search(message, " ".join(err.split()))
    assert {k: v for k, v in all_files(finished).items() if not k.startswith(".lock")} == {
        k: v for k, v in before.items() if not k.startswith(".lock")
    }


def test_a_split_that_cannot_be_made_leaves_the_run_as_it_was(fields: Path, tmp_path: Path) -> None:
    images, run = tmp_path / "images", tmp_path / "run"
    shutil.copytree(fields / "images", images)
    segpipe.run(images, run, settings={**SETTINGS, "refine.certainty": False}, stop="refine")
    before = {name: data for name, data in all_files(run).items() if not name.startswith(".lock")}
    (images / "0.png").rename(tmp_path / "0.png")
    with pytest.raises(CorpusError, match="cannot be opened any more"):
        segpipe.name(run, split=0)
    after = {name: data for name, data in all_files(run).items() if ".partial" not in name and ".lock" not in name}
    assert after == before
    (tmp_path / "0.png").rename(images / "0.png")
    segpipe.name(run, split=0)
    assert int(masks.load_header(run / "masks")["classes"]) == 4


def test_other_clusters_are_not_split_and_it_is_said(fields: Path, run: Path, caplog: pytest.LogCaptureFixture) -> None:
    cluster = mixed(fields, run)
    segpipe.name(run, split=cluster)
    segpipe.cluster(run, settings={"cluster.k": 4})
    segpipe.refine(run)
    assert "splits clusters that this run no longer has: no cluster is split" in caplog.text
    assert int(masks.load_header(run / "masks")["classes"]) == 4
    with pytest.raises(UsageError, match="speaks of clusters that this run no longer has"):
        next(segpipe.masks(run))
    segpipe.export(run)  # which carries the names over first
    assert dict(segpipe.masks(run))
    assert list(segpipe.name(run)) == [0, 1, 2, 3]
    segpipe.cluster(run, settings={"cluster.k": 3})  # the clusters that were split are there again, and so is the split
    segpipe.refine(run)
    assert int(masks.load_header(run / "masks")["classes"]) == 4
    assert set(np.unique(inside(fields, run)[1])) == {0, 1, 2, 3}


def test_the_parts_of_a_cluster_and_what_joins_them_again_are_told(fields: Path, run: Path) -> None:
    """Two fields of equal number: whatever else is said of a cluster, its parts hold half of it each."""
    cluster, run_dir = mixed(fields, run), existing_run(run)
    other, third = (k for k in range(3) if k != cluster)
    said = {cluster: Entry((1, 2, 3), "green", merge_into=other), other: Entry((4, 5, 6)),
            third: Entry((7, 8, 9), merge_into="green")}  # fmt: skip
    cut = split_cluster(run_dir, Naming(said), cluster, Runtime(), into=2, by="kmeans")
    kinds, clusters = inside(fields, run)
    assert len(set(clusters[kinds == 2])) == len(set(clusters[kinds == 3])) == 1
    assert (dict(cut.origin), list(cut.naming.entries)) == ({0: 0, 1: 1, 2: 2}, [cluster, other, third, 3])
    assert cut.naming.entries[cluster] == Entry((1, 2, 3), "green 1")
    assert cut.naming.entries[third].merge_into == cluster
    first, *more = cut.notes
    patches = 6 * ROWS * COLS * 4 // 2  # four in a field, two kinds of four
    assert f"cluster {cluster} (green) was cut by k-means of {patches} of its patches: " in first
    assert f": {cluster} has 50% of them, 3 has 50% of them; " in first
    assert more == [
        "labels called green do not stand for green 1 or green 2: rename parts that are still green",
        f"its parts stand by themselves; it was merged into {other} before",
        f"cluster {third} was merged into 'green' and joins cluster {cluster} now",
    ]
    whole = split_cluster(run_dir, cut.naming, cluster, Runtime(), into=1)
    assert whole.notes == [f"clusters {cluster}, 3 are one again: {cluster}"]
    assert (dict(whole.origin), whole.naming.entries[cluster].name) == ({0: 0, 1: 1, 2: 2}, "green")
    with pytest.raises(UsageError, match=rf"^into=1: nothing was split off cluster {cluster}; give 2 or more$"):
        split_cluster(run_dir, whole.naming, cluster, Runtime(), into=1)
