"""Evaluate on a small run made by hand, whose every number can be worked out another way."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from sklearn import metrics as sk

from segpipe.base.config import Section
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box, Size, five_crops
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.nn.head import Head, describe_head
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.features import FeatureHeader
from segpipe.records.point_rules import without_later
from segpipe.stages import ARTEFACTS, evaluate
from segpipe.store import masks
from segpipe.store.checkpoints import save_tensors
from segpipe.store.clusters import save_clusters
from segpipe.store.corpus import save_corpus
from segpipe.store.features import CropFeatures, FeatureWriter, create_features
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_confusion, load_image_scores, load_scores
from tests.helpers.city_reef import NAMES, judge
from tests.helpers.digests import sha256_of

SIZES = {"a": Size(64, 96), "sub dir/b ü": Size(96, 64), "holes": Size(64, 64), "unlabelled": Size(32, 64)}
CLASSES = ("sand", "coral", "algae", "never")
CLUSTER = np.array([3, 0, 2])  # the cluster of each class that the masks hold; 1 and 4 stand for nothing
EXTRA, MISS = 4, 0.2
DIM = 3


def class_map(size: Size) -> np.ndarray:
    """Three classes in stripes of 32 pixels, so that borders lie between patches."""
    return np.tile((np.arange(size.width) // 32 % 3).astype(np.uint8), (size.height, 1))


def make_run(root: Path) -> RunDir:
    images, crops, entries, rng = [], [], [], np.random.default_rng(5)
    run = RunDir(root / "run", ARTEFACTS)
    for place in ("run/corpus", "run/clusters", "run/head", "run/masks", "images", "labels"):
        (root / place).mkdir(parents=True)
    for name, size in SIZES.items():
        path = root / "images" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        rgb = np.full((size.height, size.width, 4), 255, np.uint8)
        rgb[..., :3] = class_map(size)[..., None] * 80
        if name == "holes":
            rgb[:16, :16, 3] = 0
        Pillow.fromarray(rgb if name == "holes" else rgb[..., :3].copy()).save(path)
        images.append(Image(name, f"{name}.png", size, "uint8", sha256_of(path), path.stat().st_size))
        boxes = five_crops(size) if name.startswith("sub") else [Box(0, 0, size.height, size.width)]
        crops += [Crop(len(images) - 1, box) for box in boxes]
        mask = CLUSTER[class_map(size)]
        wrong = rng.random(mask.shape) < MISS
        mask[wrong] = rng.integers(5, size=wrong.sum())
        if name == "holes":
            mask[:16, :16] = 255
        masks.write_mask(masks.mask_path(run.root / "masks", name), mask.astype(np.uint8), classes=5)
        entries.append(masks.describe_mask(name, mask.astype(np.uint8), classes=5))
        if name != "unlabelled":
            label = class_map(size)
            label[-8:] = 255
            (root / "labels" / name).parent.mkdir(exist_ok=True)
            Pillow.fromarray(label).save(root / "labels" / f"{name}.png")
    corpus = Corpus(root / "images", tuple(images), tuple(crops))
    save_corpus(corpus, [], run.root / "corpus")
    masks.save_index(run.root / "masks", entries)
    settings = {"side": 96, "sharpness": 2.0, "flip": False, "crf": None}
    masks.save_header(run.root / "masks", {"classes": 5, "nodata": 255, **settings})
    save_features(run.root / "features", corpus)
    head = Head(DIM, 2, 0.0)
    tensors = {name: torch.zeros_like(tensor) for name, tensor in head.state_dict().items()}
    tensors["linear.weight"] = torch.tensor([[1.0, 0, 0], [0, 2.0, 0]])
    save_tensors(run.root / "head" / "head.safetensors", tensors, describe_head(head))
    # four clusters are wanted of the baseline, which finds the three that there are
    save_clusters(ClusterModel(np.eye(4, 4, dtype=np.float32), 1.0), run.root / "clusters" / "clusters.npz")
    return run


def save_features(path: Path, corpus: Corpus) -> None:
    """Patches of 8 x 8 pixels whose features say the class at their centre."""
    header = FeatureHeader("made", "class", (0,), side=64, patch=8, dim=DIM, pool="mean", flipped=False)
    grids = [header.grid(crop.box.size) for crop in corpus.crops]
    create_features(path, header, np.array([(grid.rows, grid.cols) for grid in grids]))
    writer = FeatureWriter(path)
    for rows in writer.pending():
        found = []
        for i in rows:
            crop, grid = corpus.crops[i], grids[i]
            seen = class_map(corpus.images[crop.image].size)[crop.box.slices]
            y = ((np.arange(grid.rows) + 0.5) * 8 * crop.box.height / grid.content.height).astype(int)
            x = ((np.arange(grid.cols) + 0.5) * 8 * crop.box.width / grid.content.width).astype(int)
            at = seen[np.ix_(y.clip(max=seen.shape[0] - 1), x.clip(max=seen.shape[1] - 1))]
            valid = np.ones(at.shape, bool)
            found.append(CropFeatures(np.eye(DIM)[at], np.zeros(DIM), valid))
        writer.write(rows, found)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluate")
    return root, make_run(root)


def go(made, labels, *, classes=CLASSES, workers=1, **settings):
    root, run = made
    named = None
    if classes:
        named = root / "classes.txt"
        named.write_text("\n".join(classes))
    config = evaluate.Config(labels=labels, classes=named, n_resamples=100, **settings)
    return evaluate.run(config, run, Runtime(workers=workers)), load_scores(run.path("scores"))


def flat(root):
    """Labels and masks of all labelled pixels, image by image."""
    for path in sorted((root / "labels").rglob("*.png")):
        name = path.relative_to(root / "labels").with_suffix("").as_posix()
        label = np.asarray(Pillow.open(path))
        mask = np.asarray(Pillow.open(root / "run" / "masks" / f"{name}.png"))
        yield name, label[label != 255], mask[label != 255]


def test_scores_are_those_of_the_masks(made):
    root, run = made
    summary, scores = go(made, root / "labels")
    names = np.full(256, 3)  # of a cluster its class; 3 is in no label: always wrong
    names[CLUSTER] = np.arange(3)
    label = np.concatenate([label for _, label, _ in flat(root)])
    found = names[np.concatenate([mask for _, _, mask in flat(root)])]
    assert (scores.images, scores.labelled_pixels) == (3, len(label))
    assert scores.classes == list(CLASSES)
    assert scores.unsupervised.accuracy == pytest.approx(sk.accuracy_score(label, found))
    ious = sk.jaccard_score(label, found, labels=range(3), average=None)
    assert list(scores.unsupervised.per_class_iou.values()) == [*map(pytest.approx, ious), None]
    assert scores.unsupervised.miou == pytest.approx(ious.mean())
    assert scores.unsupervised.matching == {"0": "coral", "1": None, "2": "algae", "3": "sand", "4": None}
    low, high = scores.unsupervised.accuracy_ci
    assert low <= scores.unsupervised.accuracy <= high
    assert scores.many_to_one.accuracy > scores.unsupervised.accuracy  # clusters 1 and 4 now have a class
    assert (summary.accuracy, summary.miou) == (scores.unsupervised.accuracy, scores.unsupervised.miou)
    assert (summary.absent_classes, summary.unmatched_labels) == (["never"], 0)
    lines = sorted(load_image_scores(run.path("scores")), key=lambda line: line.id)
    for line, (name, own, mask) in zip(lines, flat(root), strict=True):
        own_found = names[mask]
        assert (line.id, line.labelled_pixels) == (name, len(own))
        assert line.accuracy == pytest.approx(sk.accuracy_score(own, own_found))
        present = np.unique(own)
        assert line.miou == pytest.approx(sk.jaccard_score(own, own_found, labels=present, average="macro"))
    classes, table = load_confusion(run.path("scores"))
    assert classes == list(CLASSES)
    assert table.sum() == len(label)
    assert table[:, -1].tolist() == [16 * 16, 0, 0, 0]  # the hole


def test_the_baseline_and_the_probes_are_judged_on_the_same_pixels(made):
    root, _ = made
    _, scores = go(made, root / "labels")
    best = 1 - 16 * 16 / scores.labelled_pixels  # the hole is no data for the baseline too: errors
    assert best - 0.05 < scores.baseline_kmeans.accuracy <= best  # patches do not end at all class borders
    assert scores.baseline_kmeans.many_to_one.accuracy == scores.baseline_kmeans.accuracy
    assert sorted(scores.baseline_kmeans.matching.values()) == ["algae", "coral", "sand"]
    for probe in (scores.linear_probe, scores.knn_probe):
        assert probe.features.accuracy > 0.8  # algae are in one image only: nobody can learn them elsewhere
        assert probe.codes.accuracy > 0.8
        assert probe.reason is None
    assert "Hungarian" in scores.protocol


def test_where_patches_end_at_class_borders_the_baseline_is_exact(made, tmp_path):
    root, _ = made
    (tmp_path / "holes.png").write_bytes((root / "labels" / "holes.png").read_bytes())
    _, scores = go(made, tmp_path)
    assert scores.baseline_kmeans.accuracy == pytest.approx(1 - 16 * 16 / (64 * 56))
    assert scores.baseline_kmeans.per_class_iou["coral"] == 1


def test_the_number_of_workers_changes_nothing(made):
    root, run = made
    go(made, root / "labels")
    before = {path.name: path.read_bytes() for path in run.path("scores").iterdir()}
    go(made, root / "labels", workers=2)
    assert {path.name: path.read_bytes() for path in run.path("scores").iterdir()} == before
    assert set(before) == {"scores.json", "images.jsonl", "confusion.csv", "counts.npz", "SHA256SUMS"}
    json.loads(before["scores.json"])


def test_points_count_alone(made, tmp_path):
    _, run = made
    rng = np.random.default_rng(0)
    rows, wanted = ["Name,Row,Column,Label", "elsewhere.jpg,1,1,sand"], []
    for name in ("a", "sub dir/b ü"):
        size, mask = SIZES[name], np.asarray(Pillow.open(run.root / "masks" / f"{name}.png"))
        for y, x in zip(rng.integers(size.height, size=50), rng.integers(size.width, size=50), strict=True):
            label = class_map(size)[y, x]
            rows.append(f"{name}.png,{y},{x},{CLASSES[label]}")
            wanted.append(mask[y, x] == CLUSTER[label])
    (tmp_path / "points.csv").write_text("\n".join(rows))
    summary, scores = go(made, tmp_path / "points.csv")
    assert (scores.images, scores.labelled_pixels) == (2, 100)
    assert scores.unsupervised.accuracy == pytest.approx(np.mean(wanted))
    assert scores.baseline_kmeans.accuracy > 0.9
    assert (scores.unmatched.labels, scores.unmatched.examples) == (1, ["elsewhere.jpg"])
    assert summary.unmatched_labels == 1
    with (run.path("scores") / "points.csv").open(encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    assert len(told) == 100
    assert np.mean([row["right"] == "yes" for row in told]) == pytest.approx(scores.unsupervised.accuracy)
    for row in told:
        mask = np.asarray(Pillow.open(run.root / "masks" / f"{row['image']}.png"))
        assert mask[int(row["row"]), int(row["column"])] == int(row["cluster"])
        assert row["label"] == CLASSES[class_map(SIZES[row["image"]])[int(row["row"]), int(row["column"])]]
        assert row["matched"] == (scores.unsupervised.matching[row["cluster"]] or "")
        assert row["right"] == ("yes" if row["matched"] == row["label"] else "no")
    _, unnamed = go(made, tmp_path / "points.csv", classes=None)
    assert unnamed.classes == ["algae", "coral", "sand"]
    assert unnamed.unsupervised.accuracy == scores.unsupervised.accuracy
    assert unnamed.unsupervised.per_class_iou["coral"] == scores.unsupervised.per_class_iou["coral"]


def test_one_labelled_image_has_no_intervals_and_no_probes(made, tmp_path):
    root, _ = made
    (tmp_path / "a.png").write_bytes((root / "labels" / "a.png").read_bytes())
    summary, scores = go(made, tmp_path, classes=None)
    assert scores.classes == ["label 0", "label 1", "label 2"]
    assert scores.unsupervised.accuracy_ci is None
    assert scores.linear_probe.codes.accuracy is None
    assert "two labelled images" in scores.knn_probe.reason
    assert summary.linear_probe_accuracy is None


def test_without_labels_there_is_nothing_to_do(made):
    _, run = made
    assert evaluate.input_files(evaluate.Config()) == []
    with pytest.raises(UsageError, match="nothing to score; give --labels"):
        evaluate.run(evaluate.Config(), run, Runtime())


def test_the_files_the_scores_depend_on(made):
    root, _ = made
    (root / "classes.txt").write_text("\n".join(CLASSES))
    config = evaluate.Config(labels=root / "labels", classes=root / "classes.txt")
    assert [path.name for path in evaluate.input_files(config)] == ["a.png", "holes.png", "b ü.png", "classes.txt"]
    with pytest.raises(UsageError, match="no such file or folder"):
        evaluate.input_files(evaluate.Config(labels=root / "lables"))


def test_a_mask_or_an_image_that_no_longer_fits_is_named(made, tmp_path):
    run = make_run(tmp_path)
    path = masks.mask_path(run.root / "masks", "a")
    kept = path.read_bytes()
    masks.write_mask(path, np.zeros((3, 3), np.uint8), classes=5)
    with pytest.raises(UsageError, match=r"a\.png does not have its image's size; run `segpipe refine`"):
        go((tmp_path, run), tmp_path / "labels")
    path.write_bytes(kept)
    (tmp_path / "images" / "a.png").unlink()
    with pytest.raises(CorpusError, match=r"a\.png cannot be opened any more"):
        go((tmp_path, run), tmp_path / "labels")


def test_whole_images_of_the_runs_split(city: Path) -> None:
    summary, scores = judge(city, "evaluate.split=train")
    assert (scores.images, scores.protocol_name, summary.protocol) == (3, "whole", "whole")
    assert len(scores.classes) == 27
    assert scores.protocol.startswith("Whole images at their own size.")
    labels, masks = [], []
    for path in sorted((city / "set" / "gtFine" / "train").rglob("*.png")):
        ids = np.asarray(Pillow.open(path)).astype(int)
        name = path.name.replace("gtFine_labelIds", "leftImg8bit")
        mask = np.asarray(Pillow.open(city / "run" / "masks" / "leftImg8bit" / "train" / "ulm" / name))
        labels.append(ids[ids >= 7] - 7)
        masks.append(mask[ids >= 7])
    label, mask = np.concatenate(labels), np.concatenate(masks)
    assert scores.labelled_pixels == len(label)
    matching = {int(k): scores.classes.index(c) for k, c in scores.unsupervised.matching.items() if c is not None}
    found = np.array([matching.get(k, 99) for k in mask.tolist()])
    assert scores.unsupervised.accuracy == pytest.approx(sk.accuracy_score(label, found))
    assert {name for name, iou in scores.unsupervised.per_class_iou.items() if iou is not None} <= set(NAMES)


def test_a_split_outside_the_run_cannot_be_judged_whole(city: Path) -> None:
    with pytest.raises(CorpusError, match=r"none of the 3 labels .* belongs to an image.*evaluate\.protocol=publ"):
        judge(city, "evaluate.split=val")


def test_labels_of_a_set_that_do_not_fit_are_left_out_of_whole_images(city: Path) -> None:
    (label,) = (city / "set" / "gtFine" / "train").rglob("ulm_000001*")
    kept = label.read_bytes()
    try:
        Pillow.fromarray(np.full((20, 30), 7, np.uint8)).save(label)
        _, scores = judge(city, "evaluate.split=train")
        assert (scores.images, scores.unmatched.labels) == (2, 1)
        assert "30 x 20 pixels where leftImg8bit/train" in scores.unmatched.examples[0]
        with Pillow.open(
            str(label).replace("gtFine/", "leftImg8bit/").replace("gtFine_labelIds", "leftImg8bit")
        ) as rgb:
            Pillow.new("L", rgb.size).save(label)
        _, scores = judge(city, "evaluate.split=train")
        assert (scores.images, scores.unmatched.labels, scores.unmatched.empty) == (2, 0, 1)
    finally:
        label.write_bytes(kept)


def test_what_a_user_sees_of_a_published_set(city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(shutil.copytree(city / "run", tmp_path / "run"))  # the command notes its settings in the run
    arguments = ["evaluate", run, "--labels", str(city / "set"), "-q", "--set", "evaluate.protocol=published"]
    assert run_cli([*arguments, "--set", "evaluate.split=val"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 labelled images" in shown
    assert "protocol published: As STEGO" in shown
    assert run_cli(["report", run, "-q"]) == 0
    page = (tmp_path / "run" / "report" / "index.html").read_text("utf-8")
    assert "Protocol <b>published</b>. As STEGO" in page
    assert "Lowest accuracy" not in page
    for sets, message in (
        (["evaluate.split=valid"], "evaluate.split=valid is no split of cityscapes27; choose train or val or test"),
        (["evaluate.split=''"], "evaluate.split is not set for cityscapes27; choose train or val or test"),
        (["evaluate.layout=cityscapes"], "evaluate.layout='cityscapes' is no layout; choose folder, cocostuff27"),
        (["evaluate.layout=folder", "evaluate.split=val"], "evaluate.split=val: a plain folder has no splits"),
        (
            ["evaluate.layout=cityscapes27", "evaluate.split=val", "evaluate.classes=classes.txt"],
            "names its own classes; leave it out",
        ),
        (["evaluate.classes=null", "evaluate.split=test"], "expects leftImg8bit/test/ in there and it is missing"),
    ):
        assert run_cli([*arguments, *(part for pair in sets for part in ("--set", pair))]) == 2
        error = capsys.readouterr().err
        assert message in " ".join(error.split())


def test_the_files_of_a_published_set_the_scores_depend_on(city: Path) -> None:
    config = evaluate.Config(labels=city / "set", layout="cityscapes27", split="val")
    assert [path.parts[-4] for path in evaluate.input_files(config)] == ["gtFine"] * 3
    published = config.model_copy(update={"protocol": "published"})
    assert [path.parts[-4] for path in evaluate.input_files(published)] == ["gtFine"] * 3 + ["leftImg8bit"] * 3
    gone = city / "set" / "gtFine" / "val" / "bonn" / "bonn_000004_000019_gtFine_labelIds.png"
    kept = gone.read_bytes()
    gone.unlink()
    try:
        with pytest.raises(UsageError, match=r"gtFine_labelIds\.png: the layout .* \(1 of 3 labels are\); add it"):
            evaluate.input_files(config)
    finally:
        gone.write_bytes(kept)


def test_only_scores_of_the_published_protocol_are_made_again_by_its_corrected_rules():
    whole, published = evaluate.Config(), evaluate.Config(protocol="published")
    assert whole.identity() == without_later(Section.identity(whole))
    assert published.identity() != without_later(Section.identity(published))
