"""Guide: how well a few points steer classes, beside naming, k-NN and a linear probe; prints the table of the docs.

Usage: python tools/bench_guide.py DATA WORK --weights FILE [--packs msrc21,pulleyridge_points] [--draws 3]

DATA holds the packs; --backbone names the timm model that the weights file belongs to. Of each pack at most 100 images
(--images) are taken. For each draw, images, points and tree anew: points are drawn from the label maps of half of the
images, each label the same number, and steer `segpipe cluster --guide` with as many clusters as labels. Judged are the
patches of the other half, a patch by most of its labelled pixels: accuracy / mIoU, mean and standard deviation over
draws. WORK/guide.json keeps what is done.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import segpipe
from bench_criteria import patch_labels
from bench_quality import PACKS
from segpipe.inference.codes import encode, open_head
from segpipe.ops.clustering.kmeans import assign
from segpipe.ops.clustering.knn import unit_rows
from segpipe.ops.metrics.confusion import confusion
from segpipe.ops.metrics.probes import knn_probe, linear_probe
from segpipe.pipeline import open_run
from segpipe.store.clusters import open_clusters
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.guide import open_guide

POINTS = (3, 10, 30)
WAYS = ("named by the majority", "--guide", "k-NN on features", "linear probe on features")

Array = npt.NDArray[Any]


class Pack:
    """A run of some of a pack's images, and their label maps."""

    def __init__(self, folder: Path, root: Path, options: argparse.Namespace) -> None:
        """Extract their features, if they are not there."""
        files = sorted(path for path in (folder / "images").iterdir() if path.is_file())
        chosen = np.unique(np.linspace(0, len(files) - 1, options.images).round().astype(int)).tolist()
        listed = root.with_suffix(".txt")
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("".join(f"{files[i]}\n" for i in chosen), "utf-8")
        settings = {"extract.backbone": options.backbone, "extract.weights": str(options.weights)}
        segpipe.run(str(listed), root, stop="train", settings=settings)
        self.root = root
        self.images = list(enumerate(load_corpus(root / "corpus").images))
        self.maps = {
            row: np.array(Image.open(folder / "labels" / f"{Path(image.path).stem}.png")) for row, image in self.images
        }

    def draw(self, rows: Sequence[int], count: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
        """At most `count` labelled pixels of each label, from these images: image, row, column, label."""
        found: dict[int, list[tuple[int, int, int, int]]] = {}
        for row in rows:
            truth = self.maps[row]
            for label in np.unique(truth[truth < 255]).tolist():
                places = np.flatnonzero(truth == label)
                for place in rng.choice(places, min(count, len(places)), replace=False).tolist():
                    found.setdefault(label, []).append((row, *divmod(place, truth.shape[1]), label))
        return [
            points[i]
            for _, points in sorted(found.items())
            for i in rng.choice(len(points), min(count, len(points)), replace=False).tolist()
        ]

    def write(self, points: Sequence[tuple[int, int, int, int]], path: Path) -> None:
        """Points as a person would hand them over."""
        names = {row: image.path for row, image in self.images}
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(("image", "row", "column", "label"))
            table.writerows((names[image], row, column, f"label {label}") for image, row, column, label in points)

    def fields(self, rows: Sequence[int]) -> tuple[dict[int, Array], dict[int, Array]]:
        """By image: features, and the cluster of every patch as the run has them now, both (rows, cols, ...)."""
        run = open_run(self.root)
        store, head, model = FeatureStore(run.path("features")), open_head(run.path("head")), open_clusters(run)
        members = np.arange(len(model.centers)) if model.members is None else model.members
        features, clusters = {}, {}
        for row in rows:
            features[row] = np.asarray(store.patches(row), np.float32)
            codes = encode(head, model, store.patches(row), store.valid(row))
            units = unit_rows(codes.reshape(-1, codes.shape[-1]))[0].astype(np.float32)
            clusters[row] = members[assign(units, model.centers)[0]].reshape(codes.shape[:2])
        return features, clusters

    def at(self, fields: dict[int, Array], points: Sequence[tuple[int, int, int, int]]) -> Array:
        """What fields hold at the patches of some points."""
        found = []
        for image, row, column, _ in points:
            field, (height, width) = fields[image], self.maps[image].shape
            found.append(field[row * field.shape[0] // height, column * field.shape[1] // width])
        return np.array(found)


def score(truth: Array, said: Array) -> tuple[float, float]:
    """Accuracy and mIoU in percent of labels said (-1: none) against true ones (255: not judged)."""
    judged = truth < 255
    count = int(max(truth[judged].max(), said.max())) + 1
    table = confusion(truth[judged].astype(np.int64), said[judged] % (count + 1), n_classes=count, n_clusters=count + 1)
    hits = np.diag(table[:, :count])
    union = table.sum(1) + table[:, :count].sum(0) - hits
    seen = table.sum(1) > 0
    return 100 * float(hits.sum() / table.sum()), 100 * float((hits / np.maximum(union, 1))[seen].mean())


def majority(clusters: Array, labels: Array) -> dict[int, int]:
    """By cluster the label that most of its points have."""
    return {int(k): int(np.bincount(labels[clusters == k]).argmax()) for k in np.unique(clusters)}


def measure(pack: Pack, seed: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Accuracy and mIoU by number of points and way, for one draw."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation([row for row, _ in pack.images]).tolist()
    taught, judged = sorted(rows[: len(rows) // 2]), sorted(rows[len(rows) // 2 :])
    file, found = pack.root.with_suffix(".csv"), {}
    for count in POINTS:
        points = pack.draw(taught, count, rng)
        labels = np.array([label for *_, label in points])
        common = {"cluster.k": len(np.unique(labels)), "cluster.method": "tree"}
        segpipe.cluster(pack.root, seed=seed, settings={**common, "cluster.guide": None})
        features, plain = pack.fields(rows)
        pack.write(points, file)
        segpipe.cluster(pack.root, seed=seed, guide=file.as_posix(), settings=common)
        steered = pack.fields(rows)[1]
        guide = open_guide(open_run(pack.root))
        assert guide is not None
        names = [int(name.split()[1]) if name else -1 for name in guide.names]
        named = majority(pack.at(plain, points), labels)
        vectors = np.concatenate([features[row].reshape(-1, features[row].shape[-1]) for row in judged])
        before, after = (np.concatenate([by[row].ravel() for row in judged]) for by in (plain, steered))
        probes = [make().fit(pack.at(features, points), labels).predict(vectors) for make in (knn_probe, linear_probe)]
        said = [np.array([named.get(int(k), -1) for k in before]), np.array(names)[after], *probes]
        truth = np.concatenate([patch_labels(pack.maps[row], *features[row].shape[:2]) for row in judged])
        found[str(count)] = {way: score(truth, one) for way, one in zip(WAYS, said, strict=True)}
    return found


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--backbone", default="vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    parser.add_argument("--packs", default="msrc21,pulleyridge_points")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--images", type=int, default=100)
    options = parser.parse_args()
    file = options.work / "guide.json"
    kept: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    print(f"| set, points a label | {' | '.join(WAYS)} |\n|---{'|---' * len(WAYS)}|")
    for name in options.packs.split(","):
        missing = [seed for seed in range(options.draws) if f"{name}|{seed}" not in kept]
        pack = Pack(options.data / PACKS[name][0], options.work / name, options) if missing else None
        for seed in missing:
            assert pack is not None
            kept[f"{name}|{seed}"] = measure(pack, seed)
            file.write_text(json.dumps(kept), "utf-8")
        draws = [kept[f"{name}|{seed}"] for seed in range(options.draws)]
        for count in map(str, POINTS):
            cells = []
            for way in WAYS:
                values = np.array([draw[count][way] for draw in draws])
                both = zip(values.mean(0), values.std(0), strict=True)
                cells.append(" / ".join(f"{mean:.1f} ± {spread:.1f}" for mean, spread in both))
            print(f"| {name}, {count} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
