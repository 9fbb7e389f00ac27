"""Speed of `train`, `mine` and `cluster` on this machine, held against the usual way in the same process.

Usage: python tools/bench_train.py [step] [exact] [approximate] [cluster]        default: all; no weights needed

A and B take turns, so that whatever else the machine does slows both; ratios are medians over rounds.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def plant(root: Path, *, crops: int, grid: int, dim: int, patch: int = 8, classes: int = 40) -> Any:
    """A run up to `mine`: square crops of random features in blocks of classes, written by the feature store."""
    from segpipe.base.geometry import Box, Size
    from segpipe.pipeline import open_run
    from segpipe.records.corpus import Corpus, Crop, Image
    from segpipe.records.features import FeatureHeader
    from segpipe.records.pairs import PairIndex
    from segpipe.store.corpus import save_corpus
    from segpipe.store.features import CropFeatures, FeatureWriter, create_features
    from segpipe.store.pairs import save_pairs

    rng = np.random.default_rng(0)
    run, side = open_run(root), grid * patch
    images = tuple(Image(f"{i:06}", f"{i:06}.png", Size(side, side), "uint8", "0" * 64, 1) for i in range(crops))
    with run.writing("corpus") as out:
        save_corpus(Corpus(root, images, tuple(Crop(i, Box(0, 0, side, side)) for i in range(crops))), [], out)
    centers = rng.standard_normal((classes, dim), dtype=np.float32)
    blocks = np.arange(grid) // 4
    with run.writing("features") as out:
        create_features(
            out, FeatureHeader("random", "token", (-1,), side, patch, dim, "mean", False), np.full((crops, 2), grid)
        )
        writer = FeatureWriter(out)
        for rows in writer.pending():
            items = []
            for _ in rows:
                labels = rng.integers(classes, size=(blocks[-1] + 1,) * 2)[blocks][:, blocks]
                patches = centers[labels] + rng.standard_normal((grid, grid, dim), dtype=np.float32)
                items.append(CropFeatures(patches, patches.mean((0, 1)), np.ones((grid, grid), bool)))
            writer.write(rows, items)
    others = (np.arange(crops)[:, None] + rng.integers(1, crops, size=(crops, 7))) % crops
    with run.writing("pairs") as out:
        save_pairs(PairIndex(others, np.ones(others.shape, np.float32)), out)
    return run


def our_steps(run: Any, count: int, *, workers: int) -> float:
    """Seconds per step of STEGO from stored features: reading, loss, backward, optimizer, log."""
    from segpipe.base.parallel import torch_alone
    from segpipe.base.runtime import Runtime
    from segpipe.stages import train
    from segpipe.stages.train import loop
    from segpipe.stages.train.configs import first_recipe, new_training
    from segpipe.store.training_log import Journal

    config = train.Config(method="stego", shifts="published", steps=10**6, tensorboard=False)
    material, shared = train.open_material(config, run), train.training_config(config)
    recipe = first_recipe("stego", center=True, measured=False)
    parts = new_training(recipe, shared, shared.shifts, material, Runtime(workers=workers))
    with tempfile.TemporaryDirectory() as folder, torch_alone():
        journal = Journal(Path(folder), loop.EDGES, done=0, events=False)

        def fit(start: int, stop: int) -> None:
            loop.fit(
                *parts,
                material.batches(start, stop),
                journal,
                loop.LoopConfig(steps=10**6, seed=0, checkpoint_every=10**9, stop=True),
                checkpoint=lambda _: None,
                worthwhile=lambda _: True,
            )

        fit(1, 3)
        return seconds(lambda: fit(3, 3 + count)) / count


def bench_step(patch: int, *, rounds: int = 3, steps: int = 20, crops: int = 400, threads: int = 2) -> dict[str, float]:
    """Seconds per training step, 16 crops and their neighbors at 224 pixels: the original's way, ours, their ratio.

    Args:
        patch: of the ViT-S, 16 or 8.
        rounds: in each one original step and `steps` of ours.
        steps: of ours.
        crops: of the stored corpus.
        threads: of both.
    """
    import torch

    from original_step import OriginalStep  # beside this file

    torch.set_num_threads(threads)
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        run = plant(Path(folder) / "run", crops=crops, grid=224 // patch, dim=384, patch=patch)
        original = OriginalStep(patch)
        original()
        for _ in range(rounds):
            theirs.append(seconds(original))
            ours.append(our_steps(run, steps, workers=threads))
    ratios = np.divide(theirs, ours)
    return {
        "patch": patch,
        "original_seconds": round(float(np.median(theirs)), 4),
        "our_seconds": round(float(np.median(ours)), 4),
        "ratio": round(float(np.median(ratios)), 1),
        "ratio_lowest": round(float(ratios.min()), 1),
        "ratio_highest": round(float(ratios.max()), 1),
    }


def vectors_like_pooled(count: int, *, dim: int = 384, seed: int = 0) -> Any:
    """Vectors as pooled features are: 500 things with spread in 30 directions, a mean of their own, a little noise."""
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((30, dim), dtype=np.float32)
    places = rng.standard_normal((500, 30), dtype=np.float32)[rng.integers(500, size=count)]
    places += 0.7 * rng.standard_normal((count, 30), dtype=np.float32)
    return places @ basis + 0.5 * rng.standard_normal((count, dim), dtype=np.float32) + 2


def bench_exact(count: int, *, k: int = 7, rounds: int = 3, threads: int = 2) -> dict[str, float]:
    """Seconds of the exact search of all pairs by bare FAISS (add and search), ours, their ratio.

    Args:
        count: vectors of length 384.
        k: neighbors; FAISS is asked for one more, itself.
        rounds: of both.
        threads: of both.
    """
    import faiss

    from segpipe.ops.clustering import knn
    from segpipe.ops.clustering.neighbor_search import NeighborSearch

    def ours(vectors: Any) -> None:
        search = NeighborSearch(vectors, k=k)
        search.join(search.some(range(len(search.blocks)), workers=threads))

    faiss.omp_set_num_threads(threads)
    vectors = vectors_like_pooled(count)
    units, _ = knn.unit_rows(vectors)

    def bare() -> None:
        index = faiss.IndexFlatIP(units.shape[1])
        index.add(units)
        index.search(units, k + 1)

    ours(vectors[:2000])
    times = [(seconds(bare), seconds(lambda: ours(vectors))) for _ in range(rounds)]
    theirs, own = np.array(times).T
    return {
        "vectors": count,
        "bare_seconds": round(float(np.median(theirs)), 3),
        "our_seconds": round(float(np.median(own)), 3),
        "ratio": round(float(np.median(own / theirs)), 2),
        "ratio_highest": round(float((own / theirs).max()), 2),
    }


def bench_approximate(kind: Any, *, count: int = 200_000, k: int = 7, queries: int = 500) -> dict[str, Any]:
    """Recall of an approximate index against exact search, bytes per vector, seconds to build and per query.

    Args:
        kind: ivf or hnsw.
        count: vectors of length 384.
        k: neighbors asked for, the vector itself left out.
        queries: vectors asked about, drawn evenly.
    """
    import faiss

    from segpipe.ops.clustering import knn

    units, _ = knn.unit_rows(vectors_like_pooled(count))
    rows = np.random.default_rng(1).choice(count, queries, replace=False)
    depth = k + 9  # what `search` asks for where each vector is a group of its own

    def best(places: Any, row: int) -> set[int]:
        found = places[(places >= 0) & (places != row)]
        return set(found[np.argsort(-(units[found] @ units[row]), kind="stable")[:k]].tolist())

    exact = knn.build(units, "exact", depth=depth)
    truth = [best(places, row) for places, row in zip(exact.search(units[rows], depth)[1], rows, strict=True)]
    del exact
    start = time.perf_counter()
    index = knn.build(units, kind, depth=depth)
    built = time.perf_counter() - start
    start = time.perf_counter()
    _, found = index.search(units[rows], depth)
    each = (time.perf_counter() - start) / queries
    hits = [len(best(places, row) & true) for places, row, true in zip(found, rows, truth, strict=True)]
    return {
        "index": kind,
        "vectors": count,
        f"recall@{k}": round(float(np.mean(hits)) / k, 4),
        "bytes_per_vector": round(faiss.serialize_index(index).nbytes / count, 1),
        "bytes_per_vector_flat": 4 * units.shape[1],
        "build_seconds": round(built, 1),
        "seconds_per_query": round(each, 6),
    }


def cluster_once(root: Path, patches: int) -> dict[str, float]:
    """Cluster a planted run and say how long it took and how much memory this process has held at most."""
    from segpipe.base.runtime import Runtime
    from segpipe.pipeline import open_run
    from segpipe.stages import cluster

    config = cluster.Config(k=27, method="tree", patches=patches)
    took = seconds(lambda: cluster.run(config, open_run(root), Runtime(workers=2)))
    cut = cluster.Config(k=12, method="tree", patches=patches)
    again = seconds(lambda: cluster.run(cut, open_run(root), Runtime(workers=2)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(took, 1), "cut_seconds": round(again, 2), "mebibytes": round(peak)}


def bench_cluster(*, crops: int = 250, factors: tuple[int, ...] = (1, 4, 16)) -> list[dict[str, float]]:
    """Time and peak memory of `cluster` as a corpus grows and `cluster.patches` stays.

    Args:
        crops: of 20 x 20 patches, of the smallest corpus, all of whose patches the first steps see.
        factors: of its size; each runs in a process of its own.
    """
    from segpipe.nn.head import describe_head, new_head
    from segpipe.store.checkpoints import save_tensors

    found = []
    for factor in factors:
        with tempfile.TemporaryDirectory() as folder:
            run = plant(Path(folder) / "run", crops=factor * crops, grid=20, dim=192)
            head = new_head(192, 64, 0.1, seed=0)
            with run.writing("head") as out:
                save_tensors(out / "head.safetensors", head.state_dict(), describe_head(head))
            command = [sys.executable, __file__, "cluster-once", str(run.root), str(400 * crops)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.append({"patches": 400 * crops * factor} | json.loads(said))
    return found


def main() -> None:
    """Print what is asked for, one JSON object a line."""
    if sys.argv[1:2] == ["cluster-once"]:
        print(json.dumps(cluster_once(Path(sys.argv[2]), int(sys.argv[3]))))
        return
    makers: dict[str, Callable[[], list[Any]]] = {
        "step": lambda: [bench_step(16), bench_step(8, rounds=2, steps=10)],
        "exact": lambda: [bench_exact(count) for count in (5000, 20_000)],
        "approximate": lambda: [bench_approximate(kind) for kind in ("ivf", "hnsw")],
        "cluster": bench_cluster,
    }
    for name in sys.argv[1:] or makers:
        for row in makers[name]():
            print(json.dumps({"bench": name} | row), flush=True)


if __name__ == "__main__":
    main()
