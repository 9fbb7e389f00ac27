"""A small finished run with known classes, made without running any stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.nn.head import codes, describe_head, new_head
from segpipe.records.class_names import Entry, Naming
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image, Rejected
from segpipe.records.features import FeatureHeader
from segpipe.records.manifest import StageRecord
from segpipe.records.palette import class_colors
from segpipe.records.scores import ImageScore, Scores
from segpipe.stages import ARTEFACTS, cover
from segpipe.store import masks
from segpipe.store.checkpoints import save_tensors
from segpipe.store.class_names import naming_text
from segpipe.store.clusters import save_clusters
from segpipe.store.corpus import save_corpus
from segpipe.store.features import CropFeatures, FeatureWriter, create_features
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import save_scores
from segpipe.store.training_log import Journal
from tests.helpers.digests import sha256_of

PATCH, DIM = 8, 12
MAKERS = {
    "corpus": "index",
    "features": "extract",
    "head": "train",
    "clusters": "cluster",
    "masks": "refine",
    "scores": "evaluate",
    "cover": "cover",
    "report": "report",
}


def make_run(
    root: Path,
    names: Sequence[str],
    *,
    classes: int,
    height: int = 48,
    width: int = 64,
    rejected: Sequence[Rejected] = (),
    five: bool = False,
) -> RunDir:
    """Images of square fields, each field of one class; features say it, masks are exact; sides are multiples of 8."""
    rng, size = np.random.default_rng(0), Size(height, width)
    run_dir = RunDir(root / "run", ARTEFACTS)
    truth = [rng.integers(classes, size=(size.height // PATCH, size.width // PATCH)) for _ in names]
    images = []
    for name, fields in zip(names, truth, strict=True):
        mask = fields.repeat(PATCH, 0).repeat(PATCH, 1)
        rgb = np.clip(class_colors(classes)[mask] + rng.normal(0, 12, (*mask.shape, 3)), 0, 255).astype(np.uint8)
        path = root / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())
        images.append(Image(name, f"{name}.png", size, "uint8", sha256_of(path), path.stat().st_size))
    boxes = [Box(0, 0, size.height, size.width)]
    if five:
        boxes += [Box(0, 0, size.height // 2, size.width // 2), Box(0, size.width // 2, size.height, size.width // 2)]
    crops = tuple(Crop(i, box) for i in range(len(names)) for box in boxes)
    corpus = Corpus(root / "images", tuple(images), crops)
    with run_dir.writing("corpus") as out:
        save_corpus(corpus, rejected, out)
    _write_features(run_dir, corpus, truth, classes, rng)
    index = []
    with run_dir.writing("masks") as out:
        for name, fields in zip(names, truth, strict=True):
            mask = fields.repeat(PATCH, 0).repeat(PATCH, 1).astype(np.uint8)
            masks.write_mask(masks.mask_path(out, name), mask, classes=classes)
            index.append(masks.describe_mask(name, mask, classes=classes))
        masks.save_index(out, index)
        masks.save_header(out, {"classes": classes, "nodata": 255})
    for stage, found in (("index", {"images": len(names), "fingerprint": "xyz"}), ("refine", {"crf": True})):
        run_dir.record(stage, record(found))
    return run_dir


def record(summary: dict[str, object], inputs: dict[str, str] | None = None) -> StageRecord:
    """A line of the manifest."""
    return StageRecord(
        key="k",
        artefact="k",
        parts={"settings": {"images": "/some/<folder>", "k": 7}, "inputs": inputs or {}},
        summary=summary,
        seconds=12.5,
        finished="2026-01-02T03:04:05+00:00",
        versions={"segpipe": "0.1.0"},
        machine={"device": "cpu", "workers": 2},
    )


def _write_features(
    run_dir: RunDir, corpus: Corpus, truth: Sequence[np.ndarray], classes: int, rng: np.random.Generator
) -> None:
    """Every patch's feature is its class's direction plus a little noise; centers are the codes of the directions."""
    directions = rng.normal(size=(classes, DIM)).astype(np.float32)
    size = corpus.images[0].size
    header = FeatureHeader(
        "synthetic<b>", "tokens", (11,), round((size.height * size.width) ** 0.5), PATCH, DIM, "mean", False
    )
    grids = [header.grid(crop.box.size) for crop in corpus.crops]
    with run_dir.writing("features") as out:
        create_features(out, header, np.array([(grid.rows, grid.cols) for grid in grids]))
        writer = FeatureWriter(out)
        for rows in writer.pending():
            items = []
            for row in rows:
                crop, grid = corpus.crops[row], grids[row]
                part = truth[crop.image].repeat(PATCH, 0).repeat(PATCH, 1)[crop.box.slices]
                places = np.ix_(
                    np.linspace(0, part.shape[0] - 1, grid.rows).astype(int),
                    np.linspace(0, part.shape[1] - 1, grid.cols).astype(int),
                )
                patches = directions[part[places]] + rng.normal(0, 0.05, (grid.rows, grid.cols, DIM))
                items.append(CropFeatures(patches, patches.mean((0, 1)), np.ones((grid.rows, grid.cols), bool)))
            writer.write(rows, items)
    head = new_head(DIM, 6, 0.1, seed=0).eval()
    centers = codes(head, directions)
    with run_dir.writing("head") as out:
        save_tensors(out / "head.safetensors", head.state_dict(), describe_head(head))
        history = Journal(out, np.linspace(-1, 1, 21), done=0, events=False)
        for step in range(0, 40, 10):
            history.add(step, {"loss": 1 / (1 + step), "loss_self": 0.1, "code_self": 0.5, "feature_self": 0.4})
        history.add_histograms(0, {"code_self": np.arange(20), "feature_self": np.ones(20, np.int64)})
        history.save()
    with run_dir.writing("clusters") as out:
        save_clusters(ClusterModel(centers / np.linalg.norm(centers, axis=1, keepdims=True), 0.9), out / "clusters.npz")


def add_scores(run_dir: RunDir, labels: Sequence[str], *, classes: int, names: Sequence[str]) -> None:
    """Scores whose labelled class i is found class i; the labels beyond `classes` are left without a partner."""
    counts = np.ones((len(labels), classes + 1), np.int64)
    counts[np.arange(min(len(labels), classes)), np.arange(min(len(labels), classes))] = 90
    matching = {str(k): labels[k] if k < len(labels) else None for k in range(classes)}
    pair = {"accuracy": 0.8125, "miou": 0.61}
    matched = {
        **pair,
        "accuracy_ci": (0.75, 0.86),
        "miou_ci": (0.55, 0.66),
        "per_class_iou": dict.fromkeys(labels, 0.5),
        "matching": matching,
    }
    probe = {"codes": pair, "features": {"accuracy": None, "miou": None}, "reason": "too few <labelled> images"}
    found = Scores.model_validate(
        {
            "images": len(names),
            "labelled_pixels": int(counts.sum()),
            "classes": list(labels),
            "unsupervised": matched,
            "many_to_one": pair,
            "linear_probe": probe,
            "knn_probe": probe,
            "baseline_kmeans": {**matched, "accuracy": 0.4, "many_to_one": pair},
            "protocol": "p",
            "unmatched": {"labels": 0, "examples": [], "empty": 0, "absent_classes": []},
        }
    )
    images = [
        ImageScore(id=name, labelled_pixels=10, accuracy=(i + 1) / (len(names) + 1), miou=0.5)
        for i, name in enumerate(names)
    ]
    with run_dir.writing("scores") as out:
        save_scores(found, images, counts, out)


def add_cover(run_dir: RunDir, root: Path, *, classes: int, names: Sequence[str]) -> None:
    """Names for the clusters, long and short ones, cover by two sites, and points that agree with the map."""
    long = "a name <x-bad> of many words, and one that has no end " + "z" * 60
    entries = {k: Entry((4 * k % 256, 90, 200 - k), f"kind {k}" if k else long) for k in range(classes)}
    (run_dir.root / "classes.yaml").write_text(naming_text(Naming(entries), {}, {}), "utf-8")
    sites, points = root / "sites.csv", root / "points.csv"
    sites.write_text("image,site\n" + "".join(f"{name},{'site ' * (1 + i % 2)}\n" for i, name in enumerate(names)))
    lines = ["image,row,column,label"]
    for name in names:
        mask = masks.read_mask(masks.mask_path(run_dir.path("masks"), name))
        lines += [f'{name},{row},{row},"{entries[int(mask[row, row])].name}"' for row in range(0, len(mask), 9)]
    points.write_text("\n".join(lines), "utf-8")
    cover.run(cover.Config(sites=sites, labels=points, gsd=0.001, n_resamples=100), run_dir, Runtime())
