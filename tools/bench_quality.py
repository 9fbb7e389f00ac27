"""Quality: methods x packs x seeds, last-step models, no label near any choice; prints a table of the docs.

Usage: python tools/bench_quality.py DATA WORK --weights FILE [--packs NAMES] [--methods NAMES] [--seeds 3] [--probes]

DATA holds the packs: folders with images/, labels/ (or points.csv) and classes.txt; a name that is not known here is
that of such a folder. --backbone names the timm model that the weights file belongs to, or without --weights a
backbone that needs none: `classical`, or the OUT of `segpipe pretrain`. --probes prints what a linear and a k-NN
classifier of the frozen features reach too, taught and judged by labels. Rows are made by `segpipe run` and
`segpipe evaluate` with the settings they name, all of a pack on the same features. WORK/results.json keeps what is
done: start again and it goes on.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PACKS = {
    "camvid": ("camvid/train", 11, "labels"),
    "msrc21": ("msrc21", 23, "labels"),
    "eilat_reef": ("eilat_reef", 10, "labels"),
    "pulleyridge_points": ("pulleyridge_points", 11, "points.csv"),
    "coral_mosaics6": ("coral_mosaics6", 35, "labels"),
    "aerial_inspire": ("aerial_inspire", 6, "labels"),
}
PLAIN = ("cluster.method=kmeans", "cluster.smooth=0", "cluster.n_init=5", "cluster.max_iter=50")
"""Plain k-means at k, as published."""
RAW = ("train.method=stego", "train.center=false", "train.rescue=false")
METHODS = {
    "defaults": (),
    "frozen features, tree": ("train.method=pca",),
    "STEGO, measured shifts, tree": ("train.method=stego",),
    "STEGO, measured shifts, k-means": ("train.method=stego", *PLAIN),
    "STEGO, published shifts, k-means": (*RAW, "train.shifts=published", *PLAIN),
    "STEGO, EAGLE's shifts, k-means": (*RAW, "train.shifts=eagle", *PLAIN),
    "SmooSeg, tree": ("train.method=smooseg",),
    "CAUSE-MLP, tree": ("train.method=cause",),
    "HP, tree": ("train.method=hp",),
}
BASELINE = "k-means of the frozen features"


def segpipe(*arguments: str) -> None:
    """Run a command; what it says is shown only where it fails."""
    done = subprocess.run([sys.executable, "-m", "segpipe", *arguments, "-q"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"segpipe {' '.join(arguments)}\n{done.stdout}{done.stderr}")


def sets(settings: list[str]) -> list[str]:
    """`--set` before each setting."""
    return [part for text in settings for part in ("--set", text)]


def score(pack: str, method: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Run one method with one seed on one pack; returns its scores and those of the baseline."""
    folder, k, labels = PACKS.get(pack) or (
        pack,
        len((options.data / pack / "classes.txt").read_text("utf-8").split()),
        "labels",
    )
    images, run = options.data / folder / "images", options.work / pack
    settings = [
        f"extract.backbone={options.backbone}",
        *([f"extract.weights={options.weights}"] if options.weights else []),
        f"cluster.k={k}",
        f"refine.crf={str(options.crf).lower()}",
        *([f"train.steps={options.steps}"] if options.steps else []),
        *(f"{stage}.seed={seed}" for stage in ("train", "cluster", "evaluate")),
        *options.set,
        *METHODS[method],
    ]
    started = time.monotonic()
    segpipe("run", str(images), str(run), "--config", "folder", *sets(settings), "--to", "cluster")
    seconds = time.monotonic() - started
    segpipe("refine", str(run))
    classes = options.data / folder / "classes.txt"
    segpipe("evaluate", str(run), "--labels", str(options.data / folder / labels), "--classes", str(classes))
    scores = json.loads((run / "scores" / "scores.json").read_text("utf-8"))
    print(
        f"{pack}, seed {seed}, {method}: {seconds:.0f} s; segpipe run {images} RUN {' '.join(sets(settings))}",
        flush=True,
    )
    ours, base = scores["unsupervised"], scores["baseline_kmeans"]
    return {
        **{name: 100 * ours[name] for name in ("accuracy", "miou")},
        "many": 100 * scores["many_to_one"]["accuracy"],
        **{f"base_{name}": 100 * base[name] for name in ("accuracy", "miou")},
        "base_many": 100 * base["many_to_one"]["accuracy"],
        **{f"{probe}_{name}": 100 * found[name] for probe, found in probes(scores) for name in ("accuracy", "miou")},
    }


def probes(scores: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    """Scores of supervised classifiers of the frozen features, where there were images enough."""
    kinds = ("linear_probe", "knn_probe")
    return [(kind, scores[kind]["features"]) for kind in kinds if scores[kind]["features"] is not None]


def cell(rows: list[dict[str, float]], prefix: str) -> str:
    """Accuracy / mIoU / many-to-one as mean and standard deviation over seeds; of a probe without the last."""
    parts = []
    for name in ("accuracy", "miou", "many") if prefix in ("", "base_") else ("accuracy", "miou"):
        values = [row[prefix + name] for row in rows]
        parts.append(f"{np.mean(values):.1f} ± {np.std(values):.1f}")
    return " / ".join(parts)


def table(results: dict[str, dict[str, float]], packs: list[str], methods: list[str], seeds: int) -> str:
    """Markdown: a row per method, the baseline first."""
    lines = [f"| accuracy / mIoU / many-to-one | {' | '.join(packs)} |", f"|---{'|---' * len(packs)}|"]
    for method in [BASELINE, *methods]:
        cells = []
        for pack in packs:
            source = methods[0] if method == BASELINE else method
            rows = [results[key] for seed in range(seeds) if (key := f"{pack}|{source}|{seed}") in results]
            cells.append(cell(rows, "base_" if method == BASELINE else "") if rows else "-")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def probe_table(results: dict[str, dict[str, float]], packs: list[str], method: str, seeds: int) -> str:
    """Markdown: a row per kind of classifier."""
    lines = [f"| accuracy / mIoU | {' | '.join(packs)} |", f"|---{'|---' * len(packs)}|"]
    for probe, words in (("linear_probe", "linear probe"), ("knn_probe", "k-NN probe")):
        cells = []
        for pack in packs:
            rows = [row for seed in range(seeds) if (row := results.get(f"{pack}|{method}|{seed}"))]
            cells.append(cell(rows, f"{probe}_") if rows and all(f"{probe}_miou" in row for row in rows) else "-")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--backbone", default="vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    parser.add_argument("--packs", default=",".join(PACKS))
    parser.add_argument("--methods", help="names as in the table, separated by ';'", default=";".join(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="training steps (default: the method's)")
    parser.add_argument("--probes", action="store_true", help="what supervised classifiers reach too")
    parser.add_argument("--crf", action="store_true", help="refine masks and baseline with the dense CRF")
    parser.add_argument("--set", action="append", default=[], help="a setting for all rows; repeatable")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    kept = options.work / "results.json"
    results = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    packs, methods = options.packs.split(","), options.methods.split(";")
    for seed in range(options.seeds):
        for method in methods:
            for pack in packs:
                key = f"{pack}|{method}|{seed}"
                if key not in results:
                    results[key] = score(pack, method, seed, options)
                    kept.write_text(json.dumps(results, indent=1), "utf-8")
    print(table(results, packs, methods, options.seeds))
    if options.probes:
        print("\n" + probe_table(results, packs, methods[0], options.seeds))
    print(
        "\nProtocol: whole images at their own size, one global Hungarian matching per row, "
        f"{'dense CRF' if options.crf else 'no CRF'}; mean ± standard deviation over {options.seeds} seeds "
        "(training, clustering and baseline); baseline: centered, 64 principal components, cosine k-means at K, "
        "5 restarts."
    )


if __name__ == "__main__":
    main()
