"""Criteria: how well scores without labels rank ways to make classes; prints the tables of the docs.

Usage: python tools/bench_criteria.py DATA WORK [WORK ...] [--seeds 3] [--json FILE]

DATA holds the packs and WORK the runs of `bench_quality.py`: their features are used, one network a folder. The label
of a patch is that of most of its labelled pixels. Candidates are trees of several linkages, and k-means, on principal
components that are whitened in several ways; classes are as many as a pack has. Each cell: rank correlation with mIoU /
with many-to-one accuracy; then, of tree or k-means as the criterion chooses on whitened components, mIoU by that of
plain k-means, mean over packs (smallest, and smallest difference of many-to-one accuracy in points).
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.stats import entropy, spearmanr
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, mutual_info_score

from bench_quality import PACKS
from segpipe.ops.clustering.kmeans import assign, component_codes, spherical_kmeans
from segpipe.ops.clustering.knn import unit_rows
from segpipe.ops.clustering.linkage import cut
from segpipe.ops.clustering.neighbor_agreement import find_partners
from segpipe.ops.clustering.streaming_kmeans import count_block
from segpipe.ops.maps.smoothing import smooth, smooth_widely
from segpipe.ops.metrics.confusion import confusion, pooled, tally
from segpipe.ops.metrics.matching import match_majority, match_one_to_one
from segpipe.pipeline import open_run
from segpipe.records.scores import confusion_of
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore

IMAGES, PATCHES, QUERIES = 100, 25_000, 4000
WHITEN = (0, 4, 8, 16)
LINKAGES = (0.0, 0.1, 0.25, 1.0)
"""Exponents of the harmonic mean of sizes that distances are multiplied by: 0 = average linkage, 1 about Ward's."""
BASE, TREE, KMEANS = "plain k-means, 0", "linkage 0.0, 8", "k-means, 8"

Array = npt.NDArray[Any]


def patches(run: Path, folder: Path) -> tuple[Array, Array, Array]:
    """Features (m, d), labels (m,) with 255 for none, and grids (n, 2) of at most `IMAGES` images of a run."""
    run_dir = open_run(run)
    store, corpus = FeatureStore(run_dir.path("features")), load_corpus(run_dir.path("corpus"))
    chosen = np.unique(np.linspace(0, len(corpus.images) - 1, IMAGES).round().astype(int))
    features, labels, grids = [], [], []
    for row in chosen.tolist():
        found = np.asarray(store.patches(row))
        rows, cols = found.shape[:2]
        truth = np.array(Image.open(folder / f"{Path(corpus.images[row].path).stem}.png"))
        labels.append(patch_labels(truth, rows, cols))
        features.append(found.reshape(rows * cols, -1))
        grids.append((rows, cols))
    return np.concatenate(features), np.concatenate(labels), np.array(grids)


def patch_labels(truth: Array, rows: int, cols: int) -> Array:
    """The most frequent label (rows * cols,) of the labelled pixels of each patch, 255 where there is none."""
    down, along = (np.arange(side) * count // side for side, count in zip(truth.shape, (rows, cols), strict=True))
    counts = np.zeros((rows * cols, 256), np.int64)
    np.add.at(counts, ((down[:, None] * cols + along).ravel(), truth.ravel()), 1)
    return np.where(counts[:, :255].any(1), counts[:, :255].argmax(1), 255)


def smoothed(codes: Array, grids: Array, widely: bool) -> Array:
    """Unit codes, averaged with those of their neighbors."""
    out, at = np.empty_like(codes), 0
    for rows, cols in grids.tolist():
        field, valid = codes[at : at + rows * cols].reshape(rows, cols, -1), np.ones((rows, cols), bool)
        near = smooth_widely(field, valid) if widely else smooth(field, valid, 0.5)
        out[at : at + rows * cols] = near.reshape(rows * cols, -1)
        at += rows * cols
    return unit_rows(out)[0]


def linkage(means: Array, sizes: Array, power: float) -> Array:
    """Merges, as `linkage.average_linkage` writes them, with distances times a power of the sizes' harmonic mean."""
    count, names = len(means), np.arange(len(means))
    members, distances = sizes / sizes.sum(), 1 - means.astype(float) @ means.T.astype(float)
    merges, alive = np.zeros((count - 1, 4)), np.ones(count, bool)
    for step in range(count - 1):
        cost = distances * (members[:, None] * members / (members[:, None] + members)) ** power
        cost[~alive], cost[:, ~alive] = np.inf, np.inf
        np.fill_diagonal(cost, np.inf)
        first, second = sorted(divmod(int(cost.argmin()), count))
        total = members[first] + members[second]
        row = (members[first] * distances[first] + members[second] * distances[second]) / total
        distances[first], distances[:, first] = row, row
        merges[step, :2] = sorted((names[first], names[second]))
        members[first], names[first], alive[second] = total, count + step, False
    return merges


def candidates(features: Array, grids: Array, rows: Array, k: int, seed: int) -> Iterator[tuple[str, Array]]:
    """Ways to make k classes: a name, and the class of every patch."""
    for whiten in WHITEN:
        codes = component_codes(features, 64, whiten=whiten)
        near, wide = smoothed(codes, grids, False), smoothed(codes, grids, True)[rows]
        fine = spherical_kmeans(wide, k=max(120, 4 * k), restarts=1, iterations=20, seed=seed)
        counts = count_block(wide, fine.centers)
        on = counts.sizes > 0
        small = assign(near, fine.centers[on])[0]
        for power in LINKAGES:
            yield f"linkage {power}, {whiten}", cut(linkage(counts.means[on], counts.sizes[on], power), k)[small]
        found = spherical_kmeans(codes[rows], k=k, restarts=3, iterations=30, seed=seed)
        yield f"k-means, {whiten}", assign(near, found.centers)[0]
        if not whiten:
            yield BASE, assign(unit_rows(codes)[0], found.centers)[0]


def judge(labels: Array, classes: Array) -> tuple[float, float]:
    """Percent: mIoU by one-to-one matching, accuracy by many-to-one."""
    known = np.where(labels < 255, labels.astype(np.int64), -1)
    table = confusion(known, classes, n_classes=int(known.max()) + 1, n_clusters=int(classes.max()) + 1)
    one, many = (
        pooled(tally(confusion_of(table), match(table[:, :-1]))) for match in (match_one_to_one, match_majority)
    )
    return 100 * float(one.miou()), 100 * float(many.accuracy())


def criteria(ours: Array, theirs: Array) -> dict[str, float]:
    """What may be said without labels of the classes of some patches and of those that look like them."""
    count = int(max(ours.max(), theirs.max())) + 1
    table = np.zeros((count, count))
    np.add.at(table, (ours, theirs), 0.5)
    np.add.at(table, (theirs, ours), 0.5)
    share = table.sum(1)[table.sum(1) > 0] / table.sum()
    same = np.diag(table)[table.sum(1) > 0] / table.sum()
    spread = float(entropy(share))
    rand, information = adjusted_rand_score(ours, theirs), adjusted_mutual_info_score(ours, theirs)
    return {
        "adjusted Rand index (ARI)": rand,
        "adjusted mutual information (AMI)": information,
        "mutual information": mutual_info_score(ours, theirs),
        "agreement within a class, mean over classes": float((same / share).mean()),
        "IoU of a class, mean over classes": float((same / (2 * share - same)).mean()),
        "entropy alone": spread,
        "AMI x root of entropy": information * spread**0.5,
        "ARI x root of entropy": rand * spread**0.5,
        "ARI x entropy": rand * spread,
    }


def measure(work: Path, data: Path, pack: str, seed: int) -> list[dict[str, Any]]:
    """A row for each candidate: its scores with labels, and all criteria."""
    folder, k, _ = PACKS[pack]
    features, labels, grids = patches(work / pack, data / folder / "labels")
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(features), min(len(features), PATCHES), replace=False))
    queries = np.sort(rng.choice(len(rows), min(len(rows), QUERIES), replace=False))
    images = np.repeat(np.arange(len(grids)), grids.prod(1))[rows]
    partners = rows[find_partners(features[rows], queries, images)]
    found = []
    for name, classes in candidates(features, grids, rows, k, seed):
        miou, many = judge(labels, classes)
        said = criteria(classes[rows[queries]], classes[partners])
        found.append({"network": work.name, "pack": pack, "name": name, "miou": miou, "many": many, "criteria": said})
    return found


def line(name: str, units: list[list[dict[str, Any]]], network: str) -> str:
    """Rank correlations of a criterion, and what comes of choosing tree or k-means by it, on one network."""
    ranks, chosen = [], dict[str, list[tuple[float, float, float]]]()
    for rows in units:
        if rows[0]["network"] == network:
            by = {row["name"]: row for row in rows}
            judged = [row for row in rows if row["name"] != BASE]
            said = [row["criteria"][name] for row in judged]
            ranks.append([spearmanr(said, [row[score] for row in judged])[0] for score in ("miou", "many")])
            tree, means, base = by[TREE], by[KMEANS], by[BASE]
            kept = means if means["criteria"][name] > tree["criteria"][name] + 0.01 else tree
            pair = (kept["miou"], base["miou"], kept["many"] - base["many"])
            chosen.setdefault(rows[0]["pack"], []).append(pair)
    means_ = [np.mean(pairs, axis=0) for pairs in chosen.values()]
    ratios = [ours / base for ours, base, _ in means_]
    rank = " / ".join(f"{value:+.2f}" for value in np.nanmean(ranks, axis=0))
    return f"{rank}; {np.mean(ratios):.2f} ({min(ratios):.2f}, {min(gain for *_, gain in means_):+.1f})"


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("criteria.json"), help="keeps what is done")
    options = parser.parse_args()
    kept: dict[str, Any] = json.loads(options.json.read_text("utf-8")) if options.json.exists() else {}
    for seed in range(options.seeds):
        for work in options.work:
            for pack in PACKS:
                key = f"{work.name}|{pack}|{seed}"
                if key not in kept and (work / pack / "features").is_dir():
                    kept[key] = measure(work, options.data, pack, seed)
                    options.json.write_text(json.dumps(kept), "utf-8")
    networks = [work.name for work in options.work]
    print(f"| criterion | {' | '.join(networks)} |\n|---{'|---' * len(networks)}|")
    for name in next(iter(kept.values()))[0]["criteria"]:
        print(f"| {name} | {' | '.join(line(name, list(kept.values()), network) for network in networks)} |")


if __name__ == "__main__":
    main()
